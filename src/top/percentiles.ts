import type { Buckets } from './snapshot.js';

/** What a histogram tells of an interval; times in seconds. */
export interface Percentiles {
  readonly count: number;
  /** Undefined, as the percentiles, where nothing was observed. */
  readonly mean: number | undefined;
  readonly p50: number | undefined;
  readonly p90: number | undefined;
  readonly p99: number | undefined;
}

/** What was observed between two scrapes; where the server was started anew in between, since that. */
export function bucketsBetween(before: Buckets | undefined, after: Buckets): Buckets {
  const earlier = before?.counts ?? [];
  const restarted = after.counts.some((count, at) => count < (earlier[at] ?? 0));
  if (before === undefined || restarted || before.counts.length !== after.counts.length) return after;
  return {
    bounds: after.bounds,
    counts: after.counts.map((count, at) => count - (earlier[at] ?? 0)),
    sum: after.sum - before.sum,
  };
}

/** The mean and the percentiles of these observations. */
export function percentilesOf(buckets: Buckets): Percentiles {
  const count = buckets.counts.reduce((total, each) => total + each, 0);
  const of = (share: number): number | undefined => quantile(share, buckets, count);
  return {
    count,
    mean: count === 0 ? undefined : buckets.sum / count,
    p50: of(0.5),
    p90: of(0.9),
    p99: of(0.99),
  };
}

/** As Prometheus' histogram_quantile: even within a bucket; beyond the last bound, that bound. */
function quantile(share: number, { bounds, counts }: Buckets, count: number): number | undefined {
  if (count === 0) return undefined;
  const rank = share * count;
  let below = 0;
  for (const [at, inBucket] of counts.entries()) {
    if (inBucket > 0 && below + inBucket >= rank) {
      const lower = bounds[at - 1] ?? 0;
      const upper = bounds[at] ?? Number.POSITIVE_INFINITY;
      // No more than the bound, whatever the rounding.
      return Number.isFinite(upper)
        ? Math.min(upper, lower + (upper - lower) * ((rank - below) / inBucket))
        : lower;
    }
    below += inBucket;
  }
  return undefined;
}
