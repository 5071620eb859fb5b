import { describe, expect, it } from 'vitest';
import { curveShares, LatencyRecorder } from '../../bench/measure/latency.js';
import { median, pairedRatio, percentile, seededRandom, summarize } from '../../bench/measure/statistics.js';

describe('medians and percentiles', () => {
  it('takes the middle, or the mean of the middle two', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([])).toBe(0);
  });

  it('takes the value that the share does not exceed', () => {
    const values = Array.from({ length: 101 }, (_, index) => 100 - index);
    expect(percentile(values, 0.99)).toBe(99);
    expect(percentile(values, 0.5)).toBe(50);
    expect(percentile(values, 1)).toBe(100);
  });

  it('summarises rounds by median, lowest and highest', () => {
    expect(summarize([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  });
});

describe('the seeded random numbers', () => {
  it('are the same for the same seed, even and in [0, 1)', () => {
    const [first, second, other] = [seededRandom(7), seededRandom(7), seededRandom(8)];
    const values = Array.from({ length: 10_000 }, () => first());
    expect(values).toEqual(Array.from({ length: 10_000 }, () => second()));
    expect(values[0]).not.toBe(other());
    expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...values)).toBeLessThan(1);
    // 10,000 uniform numbers: the mean's standard error is 0.003.
    expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
  });
});

describe('the ratio of paired rounds', () => {
  it('is exact where every pair has the same ratio, however much the rounds differ', () => {
    expect(pairedRatio([200, 20, 2000], [100, 10, 1000])).toEqual({ ratio: 2, low: 2, high: 2 });
  });

  it('has the range of three pairs as its interval', () => {
    expect(pairedRatio([11, 12, 13], [10, 10, 10])).toEqual({ ratio: 1.2, low: 1.1, high: 1.3 });
  });

  it('is the same each time', () => {
    const [a, b] = [
      [3, 1, 4, 1, 5, 9, 2],
      [6, 5, 3, 5, 8, 9, 7],
    ];
    expect(pairedRatio(a as number[], b as number[])).toEqual(pairedRatio(a as number[], b as number[]));
  });

  it('holds the true ratio about as often as it says', () => {
    const random = seededRandom(1);
    const noisy = (): number => 0.8 + 0.4 * random();
    const trials = 300;
    let held = 0;
    for (let trial = 0; trial < trials; trial++) {
      const baseline = Array.from({ length: 15 }, () => 100 * noisy());
      const target = baseline.map((value) => value * 1.5 * noisy());
      const { low, high } = pairedRatio(target, baseline);
      if (low <= 1.5 && high >= 1.5) held++;
    }
    expect(held / trials).toBeGreaterThan(0.9);
    expect(held / trials).toBeLessThan(1);
  });

  it('has no number without a pair', () => {
    expect(pairedRatio([1], [0]).ratio).toBeNaN();
  });
});

describe('recorded latencies', () => {
  it('gives percentiles within a thousandth', () => {
    const recorder = new LatencyRecorder();
    for (let us = 1; us <= 100_000; us++) recorder.record(us);
    const report = recorder.report();
    expect(report).toMatchObject({ count: 100_000, minUs: 1, maxUs: 100_000, meanUs: 50_000.5 });
    expect(Math.abs((report?.p50Us ?? 0) / 50_000 - 1)).toBeLessThan(0.001);
    expect(Math.abs((report?.p99Us ?? 0) / 99_000 - 1)).toBeLessThan(0.001);
    expect(Math.abs((report?.p999Us ?? 0) / 99_900 - 1)).toBeLessThan(0.001);
  });

  it('has a curve that rises to the maximum, no finer than the count allows', () => {
    const recorder = new LatencyRecorder();
    for (const us of [10, 20, 30, 40]) recorder.record(us);
    const curve = recorder.report()?.curve ?? [];
    expect(curve.at(-1)).toEqual([1, 40]);
    expect(curve.map(([, us]) => us)).toEqual([...curve.map(([, us]) => us)].sort((a, b) => a - b));
    expect(curveShares(4).filter((share) => share > 0.75 && share < 1)).toEqual([]);
    expect(curveShares(1_000_000).length).toBeLessThan(100);
  });

  it('has no report without a latency', () => {
    expect(new LatencyRecorder().report()).toBeUndefined();
  });
});
