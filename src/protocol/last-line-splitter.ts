import { GrowableBuffer } from './growable-buffer.js';

const LINE_BREAK = 0x0a;

/**
 * Takes log bytes. They are valid during the call; where `release` is given, until that is called: the piece
 * is large then, and not worth a copy.
 */
type EmitLog = (log: Buffer, release?: () => void) => void;

/** So much is held without asking for room. */
const UNRESERVED_BYTES = 64 * 1024;
const RESERVE_STEP_BYTES = 256 * 1024;

/** Bytes reserved for a held line from a limit that is shared. */
export interface Reservation {
  /** Makes it that many bytes. @returns false, and nothing is changed, if there are not so many */
  resize(bytes: number): boolean;
  /** Gives all of it back. */
  release(): void;
}

/**
 * Splits an action's stdout into its log and its last line while it is being written (C-RUN-16, C-LOG-04): everything
 * before the last line is passed on at once, the line that may be the last is held back.
 *
 * A line that can't be held is handed on in pieces, and is no result: it is longer than the limit, or there is no
 * room for it now.
 */
export class LastLineSplitter {
  /** Whether the line now being written has outgrown the limit and is handed on as it comes. */
  overflowing = false;
  /** Whether that is so because there was no room for it. */
  exceededBudget = false;
  /** Whether the line before the last one looks like a result: it begins and ends as an object or an array does. */
  followsResult = false;
  #buffer: GrowableBuffer;
  #ended = false;
  #heldBytes = 0;
  readonly #maxBytes: number;
  readonly #emit: EmitLog;
  readonly #reservation: Reservation | undefined;

  /**
   * @param maxBytes the longest line to hold back
   * @param emit gets log bytes in order: whole lines, or pieces of a line that can't be held
   * @param reservation is asked for what is held beyond {@link UNRESERVED_BYTES}; undefined: there is always room
   */
  constructor(maxBytes: number, emit: EmitLog, reservation?: Reservation) {
    this.#maxBytes = maxBytes;
    this.#buffer = new GrowableBuffer(maxBytes + 1);
    this.#emit = emit;
    this.#reservation = reservation;
  }

  /** Takes the next bytes of the stream; they are copied where they must be kept. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    if (this.#ended) {
      this.followsResult = !this.overflowing && looksLikeResult(this.#buffer.bytes());
      this.#begin();
    }
    // Only a break that is not the chunk's last byte has more behind it, so only there a line is known
    // not to be the last one.
    const lastBreak = chunk.length < 2 ? -1 : chunk.lastIndexOf(LINE_BREAK, chunk.length - 2);
    if (lastBreak === -1) {
      this.#hold(chunk);
      return;
    }
    let start = 0;
    if (this.#buffer.length > 0 || this.overflowing) {
      // The line under way is completed first, so that no line is handed on in two parts.
      start = chunk.indexOf(LINE_BREAK) + 1;
      this.#hold(chunk.subarray(0, start));
      this.followsResult = !this.overflowing && looksLikeResult(this.#buffer.bytes());
      this.#begin();
    }
    if (start <= lastBreak) {
      const before = lastBreak === 0 ? 0 : chunk.lastIndexOf(LINE_BREAK, lastBreak - 1) + 1;
      this.followsResult = looksLikeResult(chunk.subarray(before, lastBreak));
      this.#emit(chunk.subarray(start, lastBreak + 1));
    }
    this.#hold(chunk.subarray(lastBreak + 1));
  }

  /** How long the last line is, without the break that may end it. */
  get lineBytes(): number {
    return this.#heldBytes - (this.#ended ? 1 : 0);
  }

  /** The line held back, with the line break that may end it; empty when the stream had none. */
  heldLine(): Buffer {
    return this.#buffer.bytes();
  }

  /** Gives the memory of the line held back, which has been read. */
  discard(): void {
    this.#buffer.clear();
  }

  /** Hands on what was held: it was not the last line, another one begins. */
  #begin(): void {
    if (this.#buffer.length > 0) this.#emit(this.#buffer.bytes());
    this.#buffer.clear();
    this.#reservation?.release();
    this.#ended = false;
    this.overflowing = false;
    this.exceededBudget = false;
    this.#heldBytes = 0;
  }

  #hold(bytes: Buffer): void {
    this.#ended = bytes[bytes.length - 1] === LINE_BREAK;
    this.#heldBytes += bytes.length;
    // The break that may end a line is no part of it.
    const lineBytes = this.#buffer.length + bytes.length - (this.#ended ? 1 : 0);
    if (!this.overflowing && (lineBytes > this.#maxBytes || this.#exceedsReservation(lineBytes))) {
      const outgrown = this.#buffer;
      this.#buffer = new GrowableBuffer(this.#maxBytes + 1);
      if (outgrown.length > 0) this.#emit(outgrown.bytes(), () => outgrown.clear());
      this.overflowing = true;
    }
    if (this.overflowing) this.#emit(bytes);
    else this.#buffer.append(bytes);
  }

  #exceedsReservation(lineBytes: number): boolean {
    if (this.#reservation === undefined || lineBytes <= UNRESERVED_BYTES) return false;
    const steps = Math.ceil(lineBytes / RESERVE_STEP_BYTES);
    this.exceededBudget = !this.#reservation.resize(steps * RESERVE_STEP_BYTES);
    if (this.exceededBudget) this.#reservation.release();
    return this.exceededBudget;
  }
}

/** The first and the last byte of an object and of an array. */
const BRACKETS = new Map([
  [0x7b, 0x7d],
  [0x5b, 0x5d],
]);

/** @param line with or without the break that ends it */
function looksLikeResult(line: Buffer): boolean {
  const close = BRACKETS.get(line[0] ?? 0);
  const last = line[line.length - 1] === LINE_BREAK ? line.length - 2 : line.length - 1;
  return close !== undefined && line[last] === close;
}
