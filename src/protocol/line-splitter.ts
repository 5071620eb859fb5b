import { GrowableBuffer } from './growable-buffer.js';

const LINE_BREAK = 0x0a;

/**
 * Splits a log stream into lines and passes each on when it is complete, so that lines of concurrent activations are
 * not torn (C-LOG-05). A line longer than the limit is passed on in pieces.
 */
export class LineSplitter {
  readonly #buffer: GrowableBuffer;
  readonly #maxBytes: number;
  readonly #emit: (log: Buffer) => void;

  /** @param emit gets the bytes in order; the buffer is only valid during the call */
  constructor(maxBytes: number, emit: (log: Buffer) => void) {
    this.#maxBytes = maxBytes;
    this.#buffer = new GrowableBuffer(maxBytes);
    this.#emit = emit;
  }

  /** Takes the next bytes of the stream; they are copied where they must be kept. */
  push(chunk: Buffer): void {
    const complete = chunk.lastIndexOf(LINE_BREAK) + 1;
    if (complete > 0) {
      let start = 0;
      if (this.#buffer.length > 0) {
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
    if (this.#buffer.length > 0) this.#emit(this.#buffer.bytes());
    this.#buffer.clear();
  }

  #hold(bytes: Buffer): void {
    if (this.#buffer.length + bytes.length <= this.#maxBytes) {
      this.#buffer.append(bytes);
      return;
    }
    this.end();
    this.#emit(bytes);
  }
}
