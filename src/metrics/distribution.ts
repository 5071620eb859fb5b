/** The last observation of a bucket that belonged to a trace. */
export interface Exemplar {
  readonly traceparent: string;
  readonly seconds: number;
  readonly atEpochMs: number;
}

/**
 * A histogram's numbers in a typed array, so that an observation costs next to nothing: a metrics object with
 * labels would look up a string for each.
 */
export class Distribution {
  /** Upper bounds in seconds, rising. */
  readonly bounds: readonly number[];
  /** Observations per bucket, not added up; the last is beyond all bounds. */
  readonly counts: Float64Array;
  /** As {@link counts}. */
  readonly exemplars: (Exemplar | undefined)[] = [];
  sumSeconds = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  observe(seconds: number, traceparent?: string): void {
    let bucket = 0;
    while (bucket < this.bounds.length && seconds > (this.bounds[bucket] as number)) bucket++;
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.sumSeconds += seconds;
    if (traceparent !== undefined) {
      this.exemplars[bucket] = { traceparent, seconds, atEpochMs: Date.now() };
    }
  }
}
