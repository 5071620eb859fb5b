import { describe, expect, it } from 'vitest';
import {
  median,
  pairedRatio,
  ratioOfMedians,
  seededRandom,
  summarize,
} from '../../bench/measure/statistics.js';

describe('medians', () => {
  it('takes the middle, or the mean of the middle two', () => {
    expect(median([5, 1, 3])).toBe(3);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(median([7])).toBe(7);
    expect(median([])).toBeNaN();
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
    expect(pairedRatio([200, 20, 2000], [100, 10, 1000])).toMatchObject({
      ratio: 2,
      low: 2,
      high: 2,
    });
  });

  // A pair is as likely above the true median as below: all are on one side in 2 of 2^count cases.
  it('has the range of a few pairs as its interval, and says how sure that really is', () => {
    expect(pairedRatio([11, 12, 13], [10, 10, 10])).toEqual({
      ratio: 1.2,
      low: 1.1,
      high: 1.3,
      confidence: 0.75,
    });
    const seven = pairedRatio([1, 2, 3, 4, 5, 6, 7], [1, 1, 1, 1, 1, 1, 1]);
    expect(seven).toEqual({ ratio: 4, low: 1, high: 7, confidence: 0.95 });
  });

  it('leaves out the extremes of nine pairs, as the sign test allows: 1 − 2 · (1 + 9) / 512 is above 95 %', () => {
    const { low, high, confidence } = pairedRatio([1, 2, 3, 4, 5, 6, 7, 8, 9], Array<number>(9).fill(1));
    expect([low, high, confidence]).toEqual([2, 8, 0.95]);
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
    expect(held / trials).toBeGreaterThan(0.93);
    expect(held / trials).toBeLessThan(1);
  });

  it('has no number without a pair', () => {
    expect(pairedRatio([1], [0]).ratio).toBeNaN();
  });
});

describe('ratioOfMedians', () => {
  it('knows nothing but the ratio of two single rounds', () => {
    expect(ratioOfMedians([2], [3], { confidence: 0.95 })).toEqual({ ratio: 1.5, low: 1.5, high: 1.5 });
  });

  // Of three values the bootstrap's median is the lowest in 7 of 27 draws, the middle in 13, the highest in 7.
  it('has the interval that can be counted by hand', () => {
    const [before, after] = [
      [10, 10, 10],
      [8, 10, 12],
    ];
    expect(ratioOfMedians(before, after, { confidence: 0.95 })).toEqual({ ratio: 1, low: 0.8, high: 1.2 });
    // Each tail of 0.3 is more than 7/27.
    expect(ratioOfMedians(before, after, { confidence: 0.4 })).toEqual({ ratio: 1, low: 1, high: 1 });
  });

  it('takes nothing twice for no change, and something after nothing for no number', () => {
    expect(ratioOfMedians([0, 0, 0], [0, 0, 0], { confidence: 0.95 })).toEqual({ ratio: 1, low: 1, high: 1 });
    const { ratio, low, high } = ratioOfMedians([0, 5, 5], [5, 5, 0], { confidence: 0.95 });
    expect([ratio, low, high]).toEqual([1, 0, Number.POSITIVE_INFINITY]);
  });

  it('is the same for the same seed', () => {
    const [before, after] = [
      [9, 10, 11, 10.5, 9.7],
      [12, 13, 11.9, 12.4, 14],
    ];
    const once = ratioOfMedians(before, after, { confidence: 0.95, seed: 3 });
    expect(ratioOfMedians(before, after, { confidence: 0.95, seed: 3 })).toEqual(once);
    expect(once.low).toBeGreaterThan(1);
  });

  it('calls few pairs of equal distributions different', () => {
    const random = seededRandom(11);
    const draw = (): number[] => Array.from({ length: 5 }, () => 100 + 10 * random());
    const wrong = Array.from({ length: 300 }, () =>
      ratioOfMedians(draw(), draw(), { confidence: 0.95 }),
    ).filter(({ low, high }) => low > 1 || high < 1);
    expect(wrong.length / 300).toBeLessThan(0.08);
  });
});
