import { constants } from 'node:os';
import { errno, errnoName, poll, write } from '../process/libc.js';
import { type Reactor, type Watch, WRITABLE } from '../process/reactor.js';
import { isRegularFile, type Sink } from './sink.js';

/** A pipe that poll(2) calls writable takes that much without waiting (PIPE_BUF, pipe(7)). */
const PIPE_BUF_BYTES = 4096;
const POLLOUT = 4;
const REVENTS_OFFSET = 6;

/**
 * A sink that never waits for its reader. The descriptor's own mode is left alone: it is shared with
 * whoever started the server, so each write is preceded by a look whether it can be taken.
 */
export class NativeSink implements Sink {
  readonly #fd: number;
  readonly #reactor: Reactor;
  readonly #alwaysReady: boolean;
  readonly #poll = Buffer.alloc(8);

  constructor(fd: number, reactor: Reactor) {
    this.#fd = fd;
    this.#reactor = reactor;
    this.#alwaysReady = isRegularFile(fd);
    this.#poll.writeInt32LE(fd, 0);
    this.#poll.writeInt16LE(POLLOUT, 4);
  }

  tryWrite(bytes: Uint8Array): number {
    if (this.#alwaysReady) return this.#write(bytes, bytes.length);
    if (poll(this.#poll, 1, 0) <= 0) return 0;
    if ((this.#poll.readInt16LE(REVENTS_OFFSET) & POLLOUT) === 0) throw sinkError('EPIPE');
    return this.#write(bytes, Math.min(bytes.length, PIPE_BUF_BYTES));
  }

  whenWritable(callback: () => void): void {
    const watch: Watch = this.#reactor.add(this.#fd, WRITABLE, () => {
      this.#reactor.remove(watch);
      callback();
    });
  }

  #write(bytes: Uint8Array, count: number): number {
    const written = write(this.#fd, bytes, count);
    if (written >= 0) return written;
    const error = errno();
    if (error === constants.errno.EAGAIN || error === constants.errno.EINTR) return 0;
    throw sinkError(errnoName(error));
  }
}

function sinkError(code: string): Error {
  return Object.assign(new Error(`a log could not be written: ${code}`), { code });
}
