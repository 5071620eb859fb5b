import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bucketsBetween, percentilesOf } from '../../src/top/percentiles.js';
import type { Buckets } from '../../src/top/snapshot.js';

const BOUNDS = [0.001, 0.01, 0.1, 1, Number.POSITIVE_INFINITY];
const counts = fc.array(fc.nat(1000), { minLength: BOUNDS.length, maxLength: BOUNDS.length });

function buckets(counts: readonly number[], sum = 0): Buckets {
  return { bounds: BOUNDS, counts, sum };
}

describe('percentilesOf', () => {
  it('rises with the share, and stays within the bounds', () => {
    fc.assert(
      fc.property(counts, (each) => {
        const { count, p50, p90, p99 } = percentilesOf(buckets(each));
        if (count === 0) {
          expect([p50, p90, p99]).toEqual([undefined, undefined, undefined]);
          return;
        }
        expect(p50 as number).toBeGreaterThanOrEqual(0);
        expect(p90 as number).toBeGreaterThanOrEqual(p50 as number);
        expect(p99 as number).toBeGreaterThanOrEqual(p90 as number);
        expect(p99 as number).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('lies in the bucket that has the observation', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-6, max: 0.99, noNaN: true }), { minLength: 1 }), (values) => {
        const each = BOUNDS.map(
          (bound, at) => values.filter((value) => value <= bound && value > (BOUNDS[at - 1] ?? 0)).length,
        );
        const sorted = values.toSorted((one, other) => one - other);
        const exact = sorted[Math.ceil(0.9 * sorted.length) - 1] as number;
        const at = BOUNDS.findIndex((bound) => exact <= bound);
        const { p90 } = percentilesOf(buckets(each));
        expect(p90 as number).toBeGreaterThanOrEqual(BOUNDS[at - 1] ?? 0);
        expect(p90 as number).toBeLessThanOrEqual(BOUNDS[at] as number);
      }),
    );
  });

  it('divides a bucket evenly, as Prometheus does', () => {
    const { count, mean, p50, p90, p99 } = percentilesOf(buckets([0, 0, 100, 0, 0], 5));
    expect([count, mean]).toEqual([100, 0.05]);
    expect(p50).toBeCloseTo(0.01 + 0.09 * 0.5);
    expect(p90).toBeCloseTo(0.01 + 0.09 * 0.9);
    expect(p99).toBeCloseTo(0.01 + 0.09 * 0.99);
  });
});

describe('between', () => {
  it('is what came in addition', () => {
    fc.assert(
      fc.property(counts, counts, (before, more) => {
        const after = before.map((count, at) => count + (more[at] as number));
        expect(bucketsBetween(buckets(before, 1), buckets(after, 3))).toEqual(buckets(more, 2));
      }),
    );
  });

  it('is all of it after a restart, or where nothing was known', () => {
    expect(bucketsBetween(buckets([5, 0, 0, 0, 0]), buckets([1, 0, 0, 0, 0]))).toEqual(
      buckets([1, 0, 0, 0, 0]),
    );
    expect(bucketsBetween(undefined, buckets([1, 0, 0, 0, 0]))).toEqual(buckets([1, 0, 0, 0, 0]));
  });
});
