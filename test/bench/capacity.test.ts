import { describe, expect, it } from 'vitest';
import { searchCapacity } from '../../bench/load/capacity.js';

async function search(
  limit: number,
  high: number,
  steps: number,
): Promise<{ found: number; tried: number[] }> {
  const tried: number[] = [];
  const found = await searchCapacity({ low: 0, high, steps }, (rate) => {
    tried.push(rate);
    return Promise.resolve(rate <= limit);
  });
  return { found, tried };
}

describe('the capacity search', () => {
  it('closes in from above', async () => {
    const { found, tried } = await search(300, 1000, 10);
    expect(tried[0]).toBe(1000);
    expect(found).toBeLessThanOrEqual(300);
    expect(found).toBeGreaterThan(295);
  });

  it('goes up while every rate holds', async () => {
    const { found, tried } = await search(10_000, 100, 16);
    expect(tried.slice(0, 3)).toEqual([100, 150, 225]);
    expect(found).toBeGreaterThan(9500);
    expect(found).toBeLessThanOrEqual(10_000);
  });

  it('answers 0 where no rate holds', async () => {
    expect((await search(-1, 1000, 5)).found).toBe(0);
  });
});
