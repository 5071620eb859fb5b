import { constants } from 'node:os';
import {
  errno,
  errnoName,
  nativeMemory,
  poll,
  pwritev2,
  RWF_NOWAIT,
  sendWithoutWaiting,
  write,
} from '../../os/libc.js';
import { type Reactor, type Watch, WRITABLE } from '../../os/reactor.js';
import type { Sink, SinkTarget } from './sink.js';

const { EAGAIN, EINTR, ENOSYS, ENOTSOCK, EOPNOTSUPP } = constants.errno;
/** A pipe that poll(2) calls writable takes that much without waiting (PIPE_BUF, pipe(7)). */
const PIPE_BUF_BYTES = 4096;
const IOVEC_BYTES = 16;
const POLLOUT = 4;
const REVENTS_OFFSET = 6;
const RETRY_MS = 5;

/** Writes without waiting. @returns as write(2), with errno set */
type Write = (fd: number, bytes: Uint8Array) => number;

/**
 * A sink that never waits for its reader.
 *
 * A `shared` target keeps its mode: a socket takes send(2) with MSG_DONTWAIT, a pipe pwritev2(2) with RWF_NOWAIT. A
 * kernel before 6.4 has no RWF_NOWAIT for pipes: there poll(2) is asked before each write of PIPE_BUF at most, which
 * waits only if another process fills the pipe between the two calls.
 */
export class NativeSink implements Sink {
  readonly #target: SinkTarget;
  readonly #reactor: Reactor | undefined;
  readonly #poll = Buffer.alloc(8);
  #write: Write;

  /** @param reactor tells when there is room again; undefined: it is tried again after some milliseconds */
  constructor(target: SinkTarget, reactor?: Reactor) {
    this.#target = target;
    this.#reactor = reactor;
    this.#write =
      target.mode === 'shared' ? sendWithoutWaiting : (fd, bytes) => write(fd, bytes, bytes.length);
    this.#poll.writeInt32LE(target.fd, 0);
    this.#poll.writeInt16LE(POLLOUT, 4);
  }

  tryWrite(bytes: Uint8Array): number {
    const written = this.#write(this.#target.fd, bytes);
    if (written >= 0) return written;
    const error = errno();
    if (error === EAGAIN || error === EINTR) return 0;
    if (this.#target.mode === 'shared' && this.#useNextMethod(error)) return this.tryWrite(bytes);
    throw sinkError(errnoName(error));
  }

  whenWritable(callback: () => void): void {
    const { fd, mode } = this.#target;
    if (this.#reactor === undefined || mode === 'file') {
      setTimeout(callback, RETRY_MS);
      return;
    }
    const reactor = this.#reactor;
    const watch: Watch = reactor.add(fd, WRITABLE, () => {
      reactor.remove(watch);
      callback();
    });
  }

  /** @returns whether there is another call to be tried on what this one can't be used for */
  #useNextMethod(error: number): boolean {
    if (this.#write === sendWithoutWaiting && error === ENOTSOCK) this.#write = writeNoWait;
    else if (this.#write === writeNoWait && (error === EOPNOTSUPP || error === ENOSYS)) {
      this.#write = (fd, bytes) => this.#writeAfterPoll(fd, bytes);
    } else return false;
    return true;
  }

  #writeAfterPoll(fd: number, bytes: Uint8Array): number {
    if (poll(this.#poll, 1, 0) <= 0) return 0;
    if ((this.#poll.readInt16LE(REVENTS_OFFSET) & POLLOUT) === 0) throw sinkError('EPIPE');
    return write(fd, bytes, Math.min(bytes.length, PIPE_BUF_BYTES));
  }
}

let vector: { readonly iovec: bigint; readonly bytes: Buffer } | undefined;

/** pwritev2(2) through memory of a known address: an iovec, then the bytes that it stands for. */
const writeNoWait: Write = (fd, bytes) => {
  vector ??= newVector();
  const count = Math.min(bytes.length, PIPE_BUF_BYTES);
  vector.bytes.writeBigUInt64LE(BigInt(count), 8);
  vector.bytes.set(count === bytes.length ? bytes : bytes.subarray(0, count), IOVEC_BYTES);
  return Number(pwritev2(fd, vector.iovec, 1, -1, RWF_NOWAIT));
};

function newVector(): { readonly iovec: bigint; readonly bytes: Buffer } {
  const { address, bytes } = nativeMemory(IOVEC_BYTES + PIPE_BUF_BYTES);
  bytes.writeBigUInt64LE(address + BigInt(IOVEC_BYTES), 0);
  return { iovec: address, bytes };
}

function sinkError(code: string): Error {
  return Object.assign(new Error(`a log could not be written: ${code}`), { code });
}
