import { wipe } from './wipe.js';

/** What a small holding may keep for its next use. */
const MAX_KEPT_BYTES = 64 * 1024;
const INITIAL_CAPACITY_BYTES = 1024;

/**
 * A buffer that grows as bytes are appended, up to a limit.
 *
 * A large holding lives in a resizable buffer: it grows in place instead of by copies, and gives its memory
 * back the moment it is cleared, where a plain one would wait for the garbage collector.
 */
export class GrowableBuffer {
  length = 0;
  readonly #maxBytes: number;
  #buffer: Buffer = Buffer.alloc(0);
  #resizable: ArrayBuffer | undefined;

  /** @param maxBytes the most that will ever be held */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  append(chunk: Buffer): void {
    const needed = this.length + chunk.length;
    if (needed > this.#buffer.length) this.#grow(needed);
    chunk.copy(this.#buffer, this.length);
    this.length = needed;
  }

  /** What was appended since the last {@link clear}; valid until the next call. */
  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }

  /** Gives large memory back, and overwrites what stays. */
  clear(): void {
    if (this.#resizable === undefined) wipe(this.bytes());
    this.length = 0;
    if (this.#resizable === undefined) return;
    this.#buffer = Buffer.alloc(0);
    (this.#resizable as ResizableBuffer).resize(0);
    this.#resizable = undefined;
  }

  #grow(needed: number): void {
    const capacity = Math.max(needed, this.#buffer.length * 2, INITIAL_CAPACITY_BYTES);
    if (capacity <= MAX_KEPT_BYTES) {
      // Not from Node's shared pool: a kept slice would keep the whole pool alive.
      const grown = Buffer.allocUnsafeSlow(capacity);
      this.#moveTo(grown);
      return;
    }
    const bounded = Math.max(needed, Math.min(capacity, this.#maxBytes));
    if (this.#resizable === undefined) {
      const maxByteLength = Math.max(this.#maxBytes, needed);
      this.#resizable = new (ArrayBuffer as unknown as ResizableConstructor)(bounded, { maxByteLength });
      const grown = Buffer.from(this.#resizable, 0, bounded);
      this.#moveTo(grown);
    } else {
      (this.#resizable as ResizableBuffer).resize(bounded);
      this.#buffer = Buffer.from(this.#resizable, 0, bounded);
    }
  }

  #moveTo(grown: Buffer): void {
    const before = this.bytes();
    before.copy(grown);
    wipe(before);
    this.#buffer = grown;
  }
}

/** ES2024's resizable buffers, which Node 20 has and its type library does not name. */
type ResizableBuffer = ArrayBuffer & { resize(length: number): void };
type ResizableConstructor = new (length: number, options: { maxByteLength: number }) => ResizableBuffer;
