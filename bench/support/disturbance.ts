import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuTicks } from './processes.js';

/** A round is repeated when others had more than this share of the machine. */
const TOLERATED_SHARE = 0.1;
const LOOK_MS = 500;
/** How long a disturbed round's repetition waits for the neighbour to be done. */
const PATIENCE_MS = 10_000;

interface Ticks {
  readonly total: number;
  readonly busy: number;
  readonly stolen: number;
  readonly own: number;
}

/** A value, and the share of the machine's CPU that others had while it was measured. */
export interface Round<T> {
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
    const share = othersShare(before, readTicks(pids));
    all.push({ value, othersShare: share });
    if (share > TOLERATED_SHARE) await quiet(pids);
  }
  return all.sort((a, b) => a.othersShare - b.othersShare).slice(0, rounds);
}

/** Resolves when the machine is free again, or patience has ended. */
async function quiet(pids: readonly number[]): Promise<void> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += LOOK_MS) {
    const before = readTicks(pids);
    await delay(LOOK_MS);
    if (othersShare(before, readTicks(pids)) <= TOLERATED_SHARE) return;
  }
}

/** Says how disturbed the rounds were, for the table; empty when they were not. */
export function disturbanceNote(rounds: readonly Round<unknown>[]): string {
  const worst = Math.max(...rounds.map((round) => round.othersShare));
  return worst > TOLERATED_SHARE
    ? ` (disturbed: others had up to ${Math.round(worst * 100)} % of the CPU)`
    : '';
}

function othersShare(before: Ticks, after: Ticks): number {
  const total = after.total - before.total;
  if (total <= 0) return 0;
  const others = after.busy - before.busy - (after.own - before.own) + (after.stolen - before.stolen);
  return Math.max(0, others / total);
}

function readTicks(pids: readonly number[]): Ticks {
  const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
  const fields = line.split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, , , , , stolen = 0] = fields;
  return {
    total: fields.reduce((sum, field) => sum + field, 0),
    busy: user + nice + system,
    stolen,
    own: [process.pid, ...pids].reduce((sum, pid) => sum + cpuTicks(pid), 0),
  };
}
