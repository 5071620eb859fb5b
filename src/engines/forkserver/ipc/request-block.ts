import { nativeMemory } from '../../../os/libc.js';
import type { Variable } from '../../../protocol/environment.js';
import { wipe } from '../../../protocol/wipe.js';
import type { StringLayout } from '../build/string-layout.js';

/**
 * The messages between the server and its templates and prewarmed clones, as stub/stub.c reads and writes them. One
 * message is one datagram of a SEQPACKET socket.
 */

const RUN = 1;
const PREWARM = 2;
/** Has a clone compare the files of /proc as well (attributes.ts). */
const WITH_FILES = 0x100;
/** Comparing them takes longer than all else, and only root can change them: not for each run. */
const FILES_INTERVAL_MS = 100;

/** struct request: id, kind, bytes of the argument, bytes of the variables. */
const REQUEST_BYTES = 16;
/** struct reply: id, pid, error. */
export const REPLY_BYTES = 16;

/** struct msghdr, one struct iovec, and room for a control message of ten descriptors (cmsg(3)). */
const VECTOR_AT = 56;
const CONTROL_AT = 72;
const CONTROL_HEADER_BYTES = 16;
const DESCRIPTOR_BYTES = 4;
const PAYLOAD_AT = 128;
const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;

/** The largest room for variables and for an argument, and the request before them. */
const CAPACITY_BYTES = PAYLOAD_AT + REQUEST_BYTES + 32 * 1024 + 128 * 1024;

/** What a clone says: that it begins as this process, or waits as it; or that it could not. */
export interface Reply {
  readonly id: number;
  /** 0 when there is no process. */
  readonly pid: number;
  /** An error number; 0 for none. */
  readonly error: number;
}

export function readReply(bytes: Buffer): Reply {
  return { id: bytes.readUInt32LE(0), pid: bytes.readInt32LE(4), error: bytes.readInt32LE(8) };
}

/** Lays messages out in native memory; one per thread, each valid until the next. */
export class RequestBlock {
  readonly #memory = nativeMemory(CAPACITY_BYTES);
  /** Of the strings of a run. */
  #end = 0;
  #filesComparedMs = Number.NEGATIVE_INFINITY;

  constructor() {
    const { bytes, address } = this.#memory;
    bytes.fill(0, 0, PAYLOAD_AT);
    bytes.writeBigUInt64LE(address + BigInt(VECTOR_AT), 16);
    bytes.writeBigUInt64LE(1n, 24);
    bytes.writeBigUInt64LE(address + BigInt(CONTROL_AT), 32);
    bytes.writeBigUInt64LE(address + BigInt(PAYLOAD_AT), VECTOR_AT);
    bytes.writeInt32LE(SOL_SOCKET, CONTROL_AT + 8);
    bytes.writeInt32LE(SCM_RIGHTS, CONTROL_AT + 12);
  }

  /**
   * A run: its strings, and its three streams.
   *
   * The variables have the shape's names, in any order. They stand at the end of their room, for on the clone's stack
   * they come right before those of the action; what is before them is zero, for it lands on the stack as well.
   *
   * @returns the address of the struct msghdr; undefined when the strings are longer than the shape's rooms
   */
  encodeRun(
    id: number,
    layout: StringLayout,
    argument: Buffer,
    variables: readonly Variable[],
    descriptors: readonly number[],
  ): bigint | undefined {
    if (argument.length + 1 > layout.argumentCapacityBytes) return undefined;
    const { bytes } = this.#memory;
    const roomAt = PAYLOAD_AT + REQUEST_BYTES;
    const roomEnd = roomAt + layout.variablesCapacityBytes;
    let at = roomAt;
    for (const [name, value] of variables) {
      // Three bytes of UTF-8 for a UTF-16 unit at most.
      if (at + 3 * (name.length + value.length) + 2 > bytes.length) return undefined;
      at += bytes.write(name, at, 'utf8');
      bytes[at++] = 0x3d;
      at += bytes.write(value, at, 'utf8');
      bytes[at++] = 0;
    }
    if (at > roomEnd) return undefined;
    const length = at - roomAt;
    bytes.copyWithin(roomEnd - length, roomAt, at);
    bytes.fill(0, roomAt, roomEnd - length);
    argument.copy(bytes, roomEnd);
    bytes[roomEnd + argument.length] = 0;
    this.#end = roomEnd + argument.length + 1;
    const total = REQUEST_BYTES + layout.variablesCapacityBytes + argument.length + 1;
    return this.#finish(id, RUN | this.#withFiles(), argument.length + 1, length, total, descriptors);
  }

  /** A run of a program that waits for its input: it has its strings, and gets its streams only. */
  encodeWaiting(id: number, descriptors: readonly number[]): bigint {
    return this.#finish(id, RUN | this.#withFiles(), 0, 0, REQUEST_BYTES, descriptors);
  }

  /** Overwrites the strings of the run that was laid out last, once it has been sent. */
  wipe(): void {
    wipe(this.#memory.bytes.subarray(PAYLOAD_AT + REQUEST_BYTES, this.#end));
    this.#end = 0;
  }

  /** Requests a prewarmed clone, which gets a socket of its own. */
  encodePrewarm(id: number, socket: number): bigint {
    return this.#finish(id, PREWARM, 0, 0, REQUEST_BYTES, [socket]);
  }

  #withFiles(): number {
    const nowMs = performance.now();
    if (nowMs - this.#filesComparedMs < FILES_INTERVAL_MS) return 0;
    this.#filesComparedMs = nowMs;
    return WITH_FILES;
  }

  #finish(
    id: number,
    kind: number,
    argumentBytes: number,
    variablesBytes: number,
    total: number,
    descriptors: readonly number[],
  ): bigint {
    const { bytes, address } = this.#memory;
    bytes.writeUInt32LE(id, PAYLOAD_AT);
    bytes.writeUInt32LE(kind, PAYLOAD_AT + 4);
    bytes.writeUInt32LE(argumentBytes, PAYLOAD_AT + 8);
    bytes.writeUInt32LE(variablesBytes, PAYLOAD_AT + 12);
    bytes.writeUInt32LE(total, VECTOR_AT + 8);
    const control = CONTROL_HEADER_BYTES + DESCRIPTOR_BYTES * descriptors.length;
    bytes.writeUInt32LE(Math.ceil(control / 8) * 8, 40);
    bytes.writeUInt32LE(control, CONTROL_AT);
    for (const [index, fd] of descriptors.entries())
      bytes.writeInt32LE(fd, CONTROL_AT + CONTROL_HEADER_BYTES + DESCRIPTOR_BYTES * index);
    return address;
  }
}
