/**
 * What of the logs could not be written, counted by all threads in memory that they share.
 */

const STREAMS = ['stdout', 'stderr'] as const;
type Stream = 0 | 1;

/** What was lost of one stream. */
export interface StreamLosses {
  readonly stream: (typeof STREAMS)[number];
  readonly bytes: number;
  /** Lines that end an activation's log, their bytes counted in `bytes` too. */
  readonly sentinels: number;
}

/** The memory that all threads share: bytes and sentinels of stdout, then of stderr. */
export function createLossMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * STREAMS.length * BigInt64Array.BYTES_PER_ELEMENT);
}

/** Counts bytes of a stream that were not written. */
export class LogLossCounter {
  readonly #cells: BigInt64Array;
  readonly #at: number;

  constructor(memory: SharedArrayBuffer, stream: Stream) {
    this.#cells = new BigInt64Array(memory);
    this.#at = 2 * stream;
  }

  bytes(count: number): void {
    if (count > 0) Atomics.add(this.#cells, this.#at, BigInt(count));
  }

  sentinel(): void {
    Atomics.add(this.#cells, this.#at + 1, 1n);
  }
}

/** What was lost until now, by stream. */
export function readLosses(memory: SharedArrayBuffer): readonly StreamLosses[] {
  const cells = new BigInt64Array(memory);
  return STREAMS.map((stream, index) => ({
    stream,
    bytes: Number(Atomics.load(cells, 2 * index)),
    sentinels: Number(Atomics.load(cells, 2 * index + 1)),
  }));
}
