import { GrowingBytes } from './growing-bytes.js';

const LINE_BREAK = 0x0a;

/**
 * Takes log bytes. They are valid during the call; where `release` is given, until that is called: the piece
 * is large then, and not worth a copy.
 */
export type EmitLog = (log: Buffer, release?: () => void) => void;

/**
 * Parts an action's stdout into its log and its last line while it is being written (C-RUN-16, C-LOG-04):
 * everything before the last line is handed on at once, the line that may be the last is held back.
 *
 * A line longer than the limit can't be held: it is handed on in pieces, and is no result (D-18).
 */
export class LastLine {
  /** Whether the line now being written has outgrown the limit and is handed on as it comes. */
  overflowing = false;
  #held: GrowingBytes;
  #ended = false;
  readonly #maxBytes: number;
  readonly #emit: EmitLog;

  /**
   * @param maxBytes the longest line to hold back
   * @param emit gets log bytes in order: whole lines, or pieces of a line that outgrew the limit
   */
  constructor(maxBytes: number, emit: EmitLog) {
    this.#maxBytes = maxBytes;
    this.#held = new GrowingBytes(maxBytes + 1);
    this.#emit = emit;
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
    this.#ended = false;
    this.overflowing = false;
  }

  #hold(bytes: Buffer): void {
    this.#ended = bytes[bytes.length - 1] === LINE_BREAK;
    // The break that may end a line is no part of it.
    const lineBytes = this.#held.length + bytes.length - (this.#ended ? 1 : 0);
    if (!this.overflowing && lineBytes > this.#maxBytes) {
      const outgrown = this.#held;
      this.#held = new GrowingBytes(this.#maxBytes + 1);
      if (outgrown.length > 0) this.#emit(outgrown.bytes(), () => outgrown.clear());
      this.overflowing = true;
    }
    if (this.overflowing) this.#emit(bytes);
    else this.#held.append(bytes);
  }
}
