import { noiseBetween, readTicks, TOLERATED_SHARE, untilQuiet } from '../measure/noise.js';

/** How long a disturbed round's repetition waits for the neighbour to be done. */
const PATIENCE_MS = 10_000;

/** A value, and the share of the machine's CPU that others had while it was measured. */
interface Round<T> {
  readonly value: T;
  readonly othersShare: number;
}

/**
 * Measures `rounds` times, and repeats rounds in which a neighbour took part of the machine, up to as many
 * times again. What others took is all busy and stolen time that neither this process, nor the given ones,
 * nor their children account for.
 */
export async function undisturbedRounds<T>(
  rounds: number,
  pids: readonly number[],
  measure: () => Promise<T>,
): Promise<Round<T>[]> {
  const all: Round<T>[] = [];
  const good = (): number => all.filter((round) => round.othersShare <= TOLERATED_SHARE).length;
  while (good() < rounds && all.length < 2 * rounds) {
    const before = readTicks(pids);
    const value = await measure();
    const { othersShare } = noiseBetween(before, readTicks(pids));
    all.push({ value, othersShare });
    if (othersShare > TOLERATED_SHARE) await untilQuiet(pids, PATIENCE_MS);
  }
  return all.sort((a, b) => a.othersShare - b.othersShare).slice(0, rounds);
}

/** Says how disturbed the rounds were, for the table; empty when they were not. */
export function disturbanceNote(rounds: readonly Round<unknown>[]): string {
  const worst = Math.max(...rounds.map((round) => round.othersShare));
  return worst > TOLERATED_SHARE
    ? ` (disturbed: others had up to ${Math.round(worst * 100)} % of the CPU)`
    : '';
}
