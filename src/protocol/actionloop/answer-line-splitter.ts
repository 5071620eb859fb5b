import { GrowableBuffer } from '../growable-buffer.js';
import type { Reservation } from '../last-line-splitter.js';

const LINE_FEED = 0x0a;
/** So much is held without asking for room. */
const UNRESERVED_BYTES = 64 * 1024;
const RESERVE_STEP_BYTES = 256 * 1024;

/** Splits what a process writes on descriptor 3 into lines (C-AL-14). */
export class AnswerLineSplitter {
  readonly #buffer: GrowableBuffer;
  readonly #maxBytes: number;
  readonly #line: (line: Buffer) => void;
  readonly #tooLong: () => void;
  readonly #reservation: Reservation | undefined;
  /** Whether a line was too long because there was no room for it. */
  exceededBudget = false;

  /**
   * @param maxBytes the longest line, without its line feed
   * @param line gets each line with its line feed, in memory of its own
   * @param tooLong is told once of a line that is longer, or finds no room; nothing comes after that
   * @param reservation is asked for what is held of an unfinished line beyond {@link UNRESERVED_BYTES};
   *   undefined: there is always room
   */
  constructor(
    maxBytes: number,
    line: (line: Buffer) => void,
    tooLong: () => void,
    reservation?: Reservation,
  ) {
    this.#buffer = new GrowableBuffer(maxBytes + 1);
    this.#maxBytes = maxBytes;
    this.#line = line;
    this.#tooLong = tooLong;
    this.#reservation = reservation;
  }

  /** Takes the next bytes, which are valid during the call. */
  push(chunk: Buffer): void {
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const piece = chunk.subarray(start, end + 1);
      start = end + 1;
      const line = this.#completed(piece);
      if (line === undefined) return;
      this.#line(line);
    }
    if (start < chunk.length) this.#hold(chunk.subarray(start), 0);
  }

  #completed(piece: Buffer): Buffer | undefined {
    // The usual line comes in one piece, and needs no holding.
    if (this.#buffer.length === 0 && piece.length <= this.#maxBytes) return Buffer.from(piece);
    if (!this.#hold(piece, 1)) return undefined;
    const line = Buffer.from(this.#buffer.bytes());
    this.discard();
    return line;
  }

  /** What has come of a line that is not finished; valid until the next call. */
  get unfinished(): Buffer {
    return this.#buffer.bytes();
  }

  #hold(bytes: Buffer, breakBytes: 0 | 1): boolean {
    const lineBytes = this.#buffer.length + bytes.length - breakBytes;
    if (lineBytes > this.#maxBytes || this.#exceedsReservation(lineBytes)) {
      this.discard();
      this.#tooLong();
      return false;
    }
    this.#buffer.append(bytes);
    return true;
  }

  #exceedsReservation(lineBytes: number): boolean {
    if (this.#reservation === undefined || lineBytes <= UNRESERVED_BYTES) return false;
    if (this.#reservation.resize(Math.ceil(lineBytes / RESERVE_STEP_BYTES) * RESERVE_STEP_BYTES))
      return false;
    this.exceededBudget = true;
    return true;
  }

  /** Gives up what has come of a line. */
  discard(): void {
    this.#buffer.clear();
    this.#reservation?.release();
  }
}
