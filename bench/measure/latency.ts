import { build, type Histogram } from 'hdr-histogram-js';
import type { BenchLatency } from '../report/schema.js';

const MAX_US = 3_600_000_000;
/** Points of the curve each time the share of slower requests halves. */
const POINTS_PER_HALVING = 4;

/** Latencies in microseconds, three digits of each. */
export class LatencyRecorder {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: MAX_US,
    numberOfSignificantValueDigits: 3,
    autoResize: false,
  });
  #minUs = Number.POSITIVE_INFINITY;
  #maxUs = 0;
  #sumUs = 0;

  get count(): number {
    return this.#histogram.totalCount;
  }

  record(us: number): void {
    const value = Math.min(MAX_US, Math.max(1, Math.round(us)));
    this.#histogram.recordValue(value);
    this.#minUs = Math.min(this.#minUs, value);
    this.#maxUs = Math.max(this.#maxUs, value);
    this.#sumUs += value;
  }

  /** The value that this share of the requests does not exceed. */
  percentile(share: number): number {
    // The histogram answers a bucket's upper end, which may lie above all that was recorded.
    return this.count === 0 ? 0 : Math.min(this.#maxUs, this.#histogram.getValueAtPercentile(share * 100));
  }

  /** What a report holds; undefined when nothing was recorded. */
  report(): BenchLatency | undefined {
    if (this.count === 0) return undefined;
    return {
      count: this.count,
      minUs: this.#minUs,
      meanUs: this.#sumUs / this.count,
      p50Us: this.percentile(0.5),
      p75Us: this.percentile(0.75),
      p90Us: this.percentile(0.9),
      p99Us: this.percentile(0.99),
      p999Us: this.percentile(0.999),
      maxUs: this.#maxUs,
      curve: curveShares(this.count).map((share) => [share, this.percentile(share)]),
    };
  }
}

/** Shares from 0 to 1, denser towards the slowest, no finer than one request of the count. */
export function curveShares(count: number): number[] {
  const shares = [0];
  for (let step = 1; ; step++) {
    const slower = 2 ** (-step / POINTS_PER_HALVING);
    if (slower * count < 1) break;
    shares.push(1 - slower);
  }
  shares.push(1);
  return shares;
}
