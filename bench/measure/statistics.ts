import type { BenchSummary } from '../report/schema.js';

/** The median; of an even number of values the mean of the middle two; NaN without values. */
export const median = (values: readonly number[]): number => middleOf(Float64Array.from(values).sort());

function middleOf(sorted: Float64Array): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
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

/** A ratio and the interval in which it lies with that confidence. */
export interface Interval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Fewer rounds than this decide nothing: their spread is not known. */
export const MIN_ROUNDS = 3;

const RESAMPLES = 2000;
/** Any fixed number: a report read twice must say the same. */
const SEED = 20_240_607;

/** What the middle share of many draws lies between: the percentile bootstrap. */
function bootstrap(
  draw: (random: () => number) => number,
  confidence: number,
  seed = SEED,
): [number, number] {
  const random = seededRandom(seed);
  const draws = Float64Array.from({ length: RESAMPLES }, () => draw(random)).sort();
  const tail = (1 - confidence) / 2;
  const at = (index: number): number => draws[index] ?? Number.NaN;
  return [at(Math.floor(tail * (RESAMPLES - 1))), at(Math.ceil((1 - tail) * (RESAMPLES - 1)))];
}

/** Draws as many values as there are, with replacement, and takes their median. */
function medianOfDrawn(values: ArrayLike<number>, random: () => number): number {
  const drawn = new Float64Array(values.length);
  for (let i = 0; i < drawn.length; i++) drawn[i] = values[Math.floor(random() * drawn.length)] ?? Number.NaN;
  return middleOf(drawn.sort());
}

/** Of paired rounds: the interval, and the confidence that so few pairs really give. */
interface PairedInterval extends Interval {
  readonly confidence: number;
}

/**
 * The median of the ratios of paired rounds, target ÷ baseline, and its interval: pairs are drawn with replacement, so
 * that what disturbed both of a pair stays together. Of few rounds the bootstrap's interval is too narrow. It is
 * therefore never narrower than the sign test's, which is exact for a median whatever the distribution; and where even
 * the range of all that was seen holds it less surely than asked for (3 pairs: 75 %, 5 pairs: 94 %), the answer says so.
 */
export function pairedRatio(
  target: readonly number[],
  baseline: readonly number[],
  confidence = 0.95,
): PairedInterval {
  const count = Math.min(target.length, baseline.length);
  const found: number[] = [];
  for (let i = 0; i < count; i++) {
    const below = baseline[i] ?? 0;
    if (below > 0) found.push((target[i] ?? 0) / below);
  }
  const ratios = Float64Array.from(found).sort();
  const [low, high] = bootstrap((random) => medianOfDrawn(ratios, random), confidence);
  const { rank, confidence: reached } = signTest(ratios.length, confidence);
  return {
    ratio: middleOf(ratios),
    low: Math.min(low, ratios[rank] ?? Number.NaN),
    high: Math.max(high, ratios[ratios.length - 1 - rank] ?? Number.NaN),
    confidence: Math.min(confidence, reached),
  };
}

/**
 * How many of the lowest and of the highest of so many values can be left out while what remains still spans their
 * distribution's median with that confidence: each value is above it or below, like the sides of a coin.
 */
function signTest(count: number, confidence: number): { rank: number; confidence: number } {
  let rank = 0;
  let ways = 1;
  let outside = 2 ** (1 - count);
  for (;;) {
    ways = (ways * (count - rank)) / (rank + 1);
    const next = outside + ways * 2 ** (1 - count);
    if (1 - next < confidence || 2 * rank + 2 >= count) break;
    outside = next;
    rank++;
  }
  return { rank, confidence: 1 - outside };
}

/** Nothing before and nothing after is no change; something after nothing is infinitely more. */
const quotient = (after: number, before: number): number =>
  before === 0 && after === 0 ? 1 : after / before;

/**
 * The ratio of the medians, after ÷ before, with the percentile bootstrap's interval: rounds of each side are drawn
 * with replacement, apart from each other, since the two runs have no rounds in common.
 */
export function ratioOfMedians(
  before: readonly number[],
  after: readonly number[],
  options: { readonly confidence: number; readonly seed?: number },
): Interval {
  const draw = (random: () => number): number => {
    const below = medianOfDrawn(before, random);
    return quotient(medianOfDrawn(after, random), below);
  };
  const [low, high] = bootstrap(draw, options.confidence, options.seed);
  return { ratio: quotient(median(after), median(before)), low, high };
}
