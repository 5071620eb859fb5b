/** What one trial at a rate showed. */
export interface Trial {
  readonly ratePerSecond: number;
  readonly holds: boolean;
}

/** Where the answer is looked for. */
interface Bracket {
  /** A rate that holds; 0 always does. */
  readonly low: number;
  /** The first rate that is tried. */
  readonly high: number;
  readonly steps: number;
}

/** How far above a rate that holds the next one is tried, while none has failed. */
const STRIDE = 1.5;

/**
 * Looks for the highest rate that holds: upwards while none has failed, then by halving.
 *
 * @returns the highest rate that held, 0 when none did
 */
export async function searchCapacity(
  { low, high, steps }: Bracket,
  tryRate: (ratePerSecond: number) => Promise<boolean>,
): Promise<number> {
  let holds = low;
  let fails: number | undefined;
  let rate = high;
  for (let step = 0; step < steps; step++) {
    if (await tryRate(rate)) holds = rate;
    else fails = rate;
    rate = fails === undefined ? rate * STRIDE : (holds + fails) / 2;
  }
  return holds;
}
