/** Whether two sets of rounds differ: a seeded bootstrap, so that the same reports give the same verdict. */

/** The ratio of two medians and the interval in which it lies with that confidence. */
export interface RatioInterval {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
}

/** Fewer rounds than this on either side decide nothing: their spread is not known. */
export const FEWEST_ROUNDS = 3;

const RESAMPLES = 2000;

/** Mulberry32: small, fast, and good enough to draw rounds with. */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits ^= bits + Math.imul(bits ^ (bits >>> 7), bits | 61);
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

function medianOf(sorted: Float64Array): number {
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}

/** The median; of an even number of values the mean of the middle two; NaN without values. */
export const median = (values: readonly number[]): number => medianOf(Float64Array.from(values).sort());

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
): RatioInterval {
  const random = seededRandom(options.seed ?? 1);
  const drawn = { before: new Float64Array(before.length), after: new Float64Array(after.length) };
  const draw = (into: Float64Array, from: readonly number[]): number => {
    for (let i = 0; i < into.length; i++) into[i] = from[Math.floor(random() * from.length)] ?? Number.NaN;
    return medianOf(into.sort());
  };
  const ratios = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++) {
    const below = draw(drawn.before, before);
    ratios[i] = quotient(draw(drawn.after, after), below);
  }
  ratios.sort();
  const tail = (1 - options.confidence) / 2;
  return {
    ratio: quotient(median(after), median(before)),
    low: ratios[Math.floor(tail * (RESAMPLES - 1))] ?? Number.NaN,
    high: ratios[Math.ceil((1 - tail) * (RESAMPLES - 1))] ?? Number.NaN,
  };
}
