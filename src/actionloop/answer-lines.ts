import { GrowingBytes } from '../contract/growing-bytes.js';
import type { Room } from '../contract/last-line.js';

const LINE_FEED = 0x0a;
/** So much is held without asking for room. */
const FREE_BYTES = 64 * 1024;
const ROOM_STEP_BYTES = 256 * 1024;

/** Parts what a process writes on its descriptor 3 into lines (C-AL-14). */
export class AnswerLines {
  readonly #held: GrowingBytes;
  readonly #maxBytes: number;
  readonly #line: (line: Buffer) => void;
  readonly #tooLong: () => void;
  readonly #room: Room | undefined;
  /** Whether a line was too long because there was no room for it. */
  lacksRoom = false;

  /**
   * @param maxBytes the longest line, without its line feed
   * @param line gets each line with its line feed, in memory of its own
   * @param tooLong is told once of a line that is longer, or finds no room; nothing comes after that
   * @param room is asked for what is held of an unfinished line beyond {@link FREE_BYTES};
   *   undefined: there is always room
   */
  constructor(maxBytes: number, line: (line: Buffer) => void, tooLong: () => void, room?: Room) {
    this.#held = new GrowingBytes(maxBytes + 1);
    this.#maxBytes = maxBytes;
    this.#line = line;
    this.#tooLong = tooLong;
    this.#room = room;
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
    if (this.#held.length === 0 && piece.length <= this.#maxBytes) return Buffer.from(piece);
    if (!this.#hold(piece, 1)) return undefined;
    const line = Buffer.from(this.#held.bytes());
    this.drop();
    return line;
  }

  /** What has come of a line that is not finished; valid until the next call. */
  get unfinished(): Buffer {
    return this.#held.bytes();
  }

  #hold(bytes: Buffer, breakBytes: 0 | 1): boolean {
    const lineBytes = this.#held.length + bytes.length - breakBytes;
    if (lineBytes > this.#maxBytes || this.#outgrowsRoom(lineBytes)) {
      this.drop();
      this.#tooLong();
      return false;
    }
    this.#held.append(bytes);
    return true;
  }

  #outgrowsRoom(lineBytes: number): boolean {
    if (this.#room === undefined || lineBytes <= FREE_BYTES) return false;
    if (this.#room.resize(Math.ceil(lineBytes / ROOM_STEP_BYTES) * ROOM_STEP_BYTES)) return false;
    this.lacksRoom = true;
    return true;
  }

  /** Gives up what has come of a line. */
  drop(): void {
    this.#held.clear();
    this.#room?.release();
  }
}
