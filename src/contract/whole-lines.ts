import { GrowingBytes } from './growing-bytes.js';

const LINE_BREAK = 0x0a;

/**
 * Hands on a log stream in whole lines as they are completed, so that lines of activations that run at the
 * same time are not torn (C-LOG-05). A line longer than the limit is handed on in pieces.
 */
export class WholeLines {
  readonly #held: GrowingBytes;
  readonly #maxBytes: number;
  readonly #emit: (log: Buffer) => void;

  /** @param emit gets the bytes in order; the buffer is only valid during the call */
  constructor(maxBytes: number, emit: (log: Buffer) => void) {
    this.#maxBytes = maxBytes;
    this.#held = new GrowingBytes(maxBytes);
    this.#emit = emit;
  }

  /** Takes the next bytes of the stream; they are copied where they must be kept. */
  push(chunk: Buffer): void {
    const complete = chunk.lastIndexOf(LINE_BREAK) + 1;
    if (complete > 0) {
      let start = 0;
      if (this.#held.length > 0) {
        start = chunk.indexOf(LINE_BREAK) + 1;
        this.#hold(chunk.subarray(0, start));
        this.end();
      }
      if (start < complete) this.#emit(chunk.subarray(start, complete));
    }
    if (complete < chunk.length) this.#hold(chunk.subarray(complete));
  }

  /** The stream has ended: hands on what is left of a line without a break. */
  end(): void {
    if (this.#held.length > 0) this.#emit(this.#held.bytes());
    this.#held.clear();
  }

  #hold(bytes: Buffer): void {
    if (this.#held.length + bytes.length <= this.#maxBytes) {
      this.#held.append(bytes);
      return;
    }
    this.end();
    this.#emit(bytes);
  }
}
