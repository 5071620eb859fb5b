import type { BenchSummary } from '../report/schema.js';

/** The value below which that share of the values lies; 0 without values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(share * (sorted.length - 1))] ?? 0;
}

/** The median; of an even number of values the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The median with its spread: the lowest and the highest round. */
export function summarize(values: readonly number[]): BenchSummary {
  return { median: median(values), low: Math.min(...values), high: Math.max(...values) };
}

/** Random numbers in [0, 1) that a seed makes the same each time (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A ratio and the interval that holds it with the given confidence. */
export interface Interval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

const RESAMPLES = 2000;
/** Any fixed number: a report read twice must say the same. */
const SEED = 20_240_607;

/**
 * The median of the ratios of paired rounds, target ÷ baseline, and its confidence interval by the percentile
 * bootstrap: pairs are drawn with replacement, so that what disturbed both of a pair stays together. With few
 * rounds the interval is simply the range of what was seen, and its real confidence is below the nominal one
 * (3 pairs: 75 %, 5 pairs: 94 %), which is why a verdict asks for {@link MIN_PAIRS}.
 */
export function pairedRatio(
  target: readonly number[],
  baseline: readonly number[],
  confidence = 0.95,
): Interval {
  const count = Math.min(target.length, baseline.length);
  const ratios: number[] = [];
  for (let i = 0; i < count; i++) {
    const below = baseline[i] ?? 0;
    if (below > 0) ratios.push((target[i] ?? 0) / below);
  }
  if (ratios.length === 0) return { ratio: Number.NaN, low: Number.NaN, high: Number.NaN };
  const random = seededRandom(SEED);
  const medians: number[] = [];
  for (let sample = 0; sample < RESAMPLES; sample++) {
    medians.push(median(ratios.map(() => ratios[Math.floor(random() * ratios.length)] ?? 0)));
  }
  const outside = (1 - confidence) / 2;
  return {
    ratio: median(ratios),
    low: percentile(medians, outside),
    high: percentile(medians, 1 - outside),
  };
}

/** Pairs of rounds below which no difference is called one. */
export const MIN_PAIRS = 3;
