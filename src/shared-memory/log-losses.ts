/**
 * What of the logs could not be written, counted by all threads in memory that they share.
 */

import { SharedTable } from './shared-table.js';

const STREAMS = ['stdout', 'stderr'] as const;
type Stream = 0 | 1;

/** What was lost of one stream. */
export interface StreamLosses {
  readonly stream: (typeof STREAMS)[number];
  readonly bytes: number;
  /** Lines that end an activation's log, their bytes counted in `bytes` too. */
  readonly sentinels: number;
}

/** Bytes and sentinels, of each stream. */
const TABLE = new SharedTable(BigInt64Array, 0, 2);
const BYTES = 0;
const SENTINELS = 1;

/** The memory that all threads share. */
export function createLossMemory(): SharedArrayBuffer {
  return TABLE.create(STREAMS.length);
}

/** Counts bytes of a stream that were not written. */
export class LogLossCounter {
  readonly #cells: BigInt64Array;

  constructor(memory: SharedArrayBuffer, stream: Stream) {
    this.#cells = TABLE.slot(memory, stream);
  }

  bytes(count: number): void {
    if (count > 0) Atomics.add(this.#cells, BYTES, BigInt(count));
  }

  sentinel(): void {
    Atomics.add(this.#cells, SENTINELS, 1n);
  }
}

/** What was lost until now, by stream. */
export function readLosses(memory: SharedArrayBuffer): readonly StreamLosses[] {
  return STREAMS.map((stream, index) => {
    const cells = TABLE.slot(memory, index);
    return {
      stream,
      bytes: Number(Atomics.load(cells, BYTES)),
      sentinels: Number(Atomics.load(cells, SENTINELS)),
    };
  });
}
