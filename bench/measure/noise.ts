import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { BenchNoise } from '../report/schema.js';
import { cpuTicks, treeTicks } from '../support/processes.js';

/** A round is disturbed when others had more than this share of the machine. */
export const TOLERATED_SHARE = 0.1;
const POLL_INTERVAL_MS = 500;

/** What the machine's counters say at one moment. */
interface MachineTicks {
  readonly atMs: number;
  readonly total: number;
  readonly busy: number;
  readonly stolen: number;
  /** Of this process, of the given trees, and of their children. */
  readonly own: number;
  /** Microseconds in which some task waited for a CPU; undefined where the kernel does not count. */
  readonly pressureUs: number | undefined;
}

/** Reads the counters; `pids` are the processes whose work is no noise, each with its descendants. */
export function readTicks(pids: readonly number[]): MachineTicks {
  const line = readFileSync('/proc/stat', 'latin1').split('\n')[0] ?? '';
  const fields = line.split(/\s+/).slice(1, 9).map(Number);
  const [user = 0, nice = 0, system = 0, , , , , stolen = 0] = fields;
  return {
    atMs: performance.now(),
    total: fields.reduce((sum, field) => sum + field, 0),
    busy: user + nice + system,
    stolen,
    own: pids.reduce((sum, pid) => sum + treeTicks(pid), cpuTicks(process.pid)),
    pressureUs: readPressure(),
  };
}

/** What neither this process nor the given ones did between two readings. */
export function noiseBetween(before: MachineTicks, after: MachineTicks): BenchNoise {
  const total = Math.max(1, after.total - before.total);
  const stolen = after.stolen - before.stolen;
  const others = after.busy - before.busy - (after.own - before.own) + stolen;
  const share = (ticks: number): number => Math.min(1, Math.max(0, ticks / total));
  const spentUs = Math.max(1, (after.atMs - before.atMs) * 1000);
  return {
    othersShare: share(others),
    stealShare: share(stolen),
    ...(before.pressureUs === undefined || after.pressureUs === undefined
      ? {}
      : { psiCpuShare: Math.min(1, (after.pressureUs - before.pressureUs) / spentUs) }),
  };
}

/** Resolves when the machine is free again, or patience has ended. */
export async function untilQuiet(pids: readonly number[], patienceMs: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < patienceMs; waitedMs += POLL_INTERVAL_MS) {
    const before = readTicks(pids);
    await delay(POLL_INTERVAL_MS);
    if (noiseBetween(before, readTicks(pids)).othersShare <= TOLERATED_SHARE) return;
  }
}

function readPressure(): number | undefined {
  try {
    const total = /^some .*total=(\d+)$/m.exec(readFileSync('/proc/pressure/cpu', 'latin1'))?.[1];
    return total === undefined ? undefined : Number(total);
  } catch {
    return undefined;
  }
}
