const FIRST_CAPACITY_BYTES = 1024;

/** Bytes kept across chunks; room grows by doubling and is given up by {@link clear} when it was large. */
export class GrowingBytes {
  #room: Buffer = Buffer.alloc(0);
  length = 0;

  append(chunk: Buffer): void {
    const needed = this.length + chunk.length;
    if (needed > this.#room.length) {
      // Not from Node's shared pool: a kept slice would keep the whole pool alive.
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.#room.length * 2, FIRST_CAPACITY_BYTES));
      this.#room.copy(grown, 0, 0, this.length);
      this.#room = grown;
    }
    chunk.copy(this.#room, this.length);
    this.length = needed;
  }

  /** What was appended since the last {@link clear}; valid until the next call. */
  bytes(): Buffer {
    return this.#room.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    if (this.#room.length > 64 * FIRST_CAPACITY_BYTES) this.#room = Buffer.alloc(0);
  }
}
