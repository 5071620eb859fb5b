/** A histogram's numbers, wherever they are kept. */
export interface HistogramData {
  /** Upper bounds in the metric's own unit, rising. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not added up; the last is beyond all bounds. */
  readonly counts: ArrayLike<number>;
  /** All observations added up. */
  readonly sum: number;
}

/** The last observation of a bucket whose trace or activation is known. */
export interface Exemplar {
  readonly label: 'trace_id' | 'activation_id';
  readonly id: string;
  readonly value: number;
  readonly atEpochMs: number;
}

/** How many numbers a {@link Histogram} with that many bounds needs. */
export function histogramCells(bounds: readonly number[]): number {
  return bounds.length + 2;
}

/**
 * A histogram's numbers in a typed array, so that an observation costs next to nothing: a metrics object with
 * labels would look up a string for each.
 */
export class Histogram implements HistogramData {
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  readonly #sum: Float64Array;

  /** @param cells {@link histogramCells} numbers, which another thread may share; its own by default */
  constructor(
    bounds: readonly number[],
    cells: Float64Array<ArrayBufferLike> = new Float64Array(histogramCells(bounds)),
  ) {
    this.bounds = bounds;
    this.counts = cells.subarray(0, bounds.length + 1);
    this.#sum = cells.subarray(bounds.length + 1);
  }

  get sum(): number {
    return this.#sum[0] as number;
  }

  /** @returns the bucket it went to */
  observe(value: number): number {
    const { bounds, counts } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > (bounds[bucket] as number)) bucket++;
    counts[bucket] = (counts[bucket] as number) + 1;
    this.#sum[0] = (this.#sum[0] as number) + value;
    return bucket;
  }
}

/** A distribution that remembers an example of each bucket. */
export class HistogramWithExemplars extends Histogram {
  readonly #ids: (string | undefined)[] = [];
  readonly #isTrace: boolean[] = [];
  readonly #values: Float64Array;
  readonly #atEpochMs: Float64Array;

  constructor(bounds: readonly number[]) {
    super(bounds);
    this.#values = new Float64Array(bounds.length + 1);
    this.#atEpochMs = new Float64Array(bounds.length + 1);
  }

  /** As `observe`, and it becomes the example of its bucket where either id is known; the trace goes first. */
  observeWithExemplar(value: number, traceId: string | undefined, activationId: string | undefined): void {
    const bucket = this.observe(value);
    const id = traceId ?? activationId;
    if (id === undefined) return;
    this.#ids[bucket] = id;
    this.#isTrace[bucket] = traceId !== undefined;
    this.#values[bucket] = value;
    this.#atEpochMs[bucket] = Date.now();
  }

  exemplarOf(bucket: number): Exemplar | undefined {
    const id = this.#ids[bucket];
    if (id === undefined) return undefined;
    return {
      label: this.#isTrace[bucket] ? 'trace_id' : 'activation_id',
      id,
      value: this.#values[bucket] as number,
      atEpochMs: this.#atEpochMs[bucket] as number,
    };
  }
}
