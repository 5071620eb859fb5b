import { GrowingBytes } from './growing-bytes.js';

const LINE_BREAK = 0x0a;

/**
 * Takes log bytes. They are valid during the call; where `release` is given, until that is called: the piece
 * is large then, and not worth a copy.
 */
export type EmitLog = (log: Buffer, release?: () => void) => void;

/** So much is held without asking for room. */
const FREE_BYTES = 64 * 1024;
const ROOM_STEP_BYTES = 256 * 1024;

/** What a line that is held takes of a limit that others share. */
export interface Room {
  /** Makes it that many bytes. @returns false, and nothing is changed, if there are not so many */
  resize(bytes: number): boolean;
  /** Gives all of it back. */
  release(): void;
}

/**
 * Parts an action's stdout into its log and its last line while it is being written (C-RUN-16, C-LOG-04):
 * everything before the last line is handed on at once, the line that may be the last is held back.
 *
 * A line that can't be held is handed on in pieces, and is no result: it is longer than the limit, or there is no
 * room for it now.
 */
export class LastLine {
  /** Whether the line now being written has outgrown the limit and is handed on as it comes. */
  overflowing = false;
  /** Whether that is so because there was no room for it. */
  lacksRoom = false;
  #held: GrowingBytes;
  #ended = false;
  readonly #maxBytes: number;
  readonly #emit: EmitLog;
  readonly #room: Room | undefined;

  /**
   * @param maxBytes the longest line to hold back
   * @param emit gets log bytes in order: whole lines, or pieces of a line that can't be held
   * @param room is asked for what is held beyond {@link FREE_BYTES}; undefined: there is always room
   */
  constructor(maxBytes: number, emit: EmitLog, room?: Room) {
    this.#maxBytes = maxBytes;
    this.#held = new GrowingBytes(maxBytes + 1);
    this.#emit = emit;
    this.#room = room;
  }

  /** Takes the next bytes of the stream; they are copied where they must be kept. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#ended) this.#begin();
    // Only a break that is not the chunk's last byte has more behind it, so only there a line is known
    // not to be the last one.
    const lastBreak = chunk.length < 2 ? -1 : chunk.lastIndexOf(LINE_BREAK, chunk.length - 2);
    if (lastBreak === -1) {
      this.#hold(chunk);
      return;
    }
    let start = 0;
    if (this.#held.length > 0 || this.overflowing) {
      // The line under way is completed first, so that no line is handed on in two parts.
      start = chunk.indexOf(LINE_BREAK) + 1;
      this.#hold(chunk.subarray(0, start));
      this.#begin();
    }
    if (start <= lastBreak) this.#emit(chunk.subarray(start, lastBreak + 1));
    this.#hold(chunk.subarray(lastBreak + 1));
  }

  /** The line held back, with the line break that may end it; empty when the stream had none. */
  held(): Buffer {
    return this.#held.bytes();
  }

  /** Gives the memory of the line held back, which has been read. */
  drop(): void {
    this.#held.clear();
  }

  /** Hands on what was held: it was not the last line, another one begins. */
  #begin(): void {
    if (this.#held.length > 0) this.#emit(this.#held.bytes());
    this.#held.clear();
    this.#room?.release();
    this.#ended = false;
    this.overflowing = false;
    this.lacksRoom = false;
  }

  #hold(bytes: Buffer): void {
    this.#ended = bytes[bytes.length - 1] === LINE_BREAK;
    // The break that may end a line is no part of it.
    const lineBytes = this.#held.length + bytes.length - (this.#ended ? 1 : 0);
    if (!this.overflowing && (lineBytes > this.#maxBytes || this.#outgrowsRoom(lineBytes))) {
      const outgrown = this.#held;
      this.#held = new GrowingBytes(this.#maxBytes + 1);
      if (outgrown.length > 0) this.#emit(outgrown.bytes(), () => outgrown.clear());
      this.overflowing = true;
    }
    if (this.overflowing) this.#emit(bytes);
    else this.#held.append(bytes);
  }

  #outgrowsRoom(lineBytes: number): boolean {
    if (this.#room === undefined || lineBytes <= FREE_BYTES) return false;
    const steps = Math.ceil(lineBytes / ROOM_STEP_BYTES);
    this.lacksRoom = !this.#room.resize(steps * ROOM_STEP_BYTES);
    if (this.lacksRoom) this.#room.release();
    return this.lacksRoom;
  }
}
