import { describe, expect, it } from 'vitest';
import { median, ratioOfMedians, seededRandom } from '../../bench/report/significance.js';

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

describe('median', () => {
  it.each([
    [[3, 1, 2], 2],
    [[4, 1, 2, 3], 2.5],
    [[7], 7],
  ])('of %j is %d', (values, expected) => expect(median(values)).toBe(expected));

  it('of nothing is no number', () => expect(median([])).toBeNaN());
});

it('seededRandom is even between 0 and 1', () => {
  const random = seededRandom(5);
  const values = Array.from({ length: 20_000 }, random);
  expect(Math.min(...values)).toBeGreaterThanOrEqual(0);
  expect(Math.max(...values)).toBeLessThan(1);
  expect(values.reduce((sum, value) => sum + value, 0) / values.length).toBeCloseTo(0.5, 1);
});
