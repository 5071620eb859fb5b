import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { openFiles, processTree, pssBytes, threadCount, zombies } from '../../bench/support/processes.js';
import { growthOf } from './slope.js';

const SETTLE_MS = 1500;
const POLL_MS = 100;
const MIB = 2 ** 20;

/** What a server holds while nothing is under way. */
export interface Resources {
  readonly descriptors: number;
  readonly threads: number;
  readonly processes: number;
  readonly zombies: number;
  readonly files: number;
  readonly memoryBytes: number;
}

/** What each may grow by without being a leak: caches, prewarmed clones, threads that start under load. */
const TOLERANCE: Resources = {
  descriptors: 6,
  threads: 3,
  processes: 5,
  zombies: 1,
  files: 3,
  memoryBytes: 32 * MIB,
};

const RESOURCE_NAMES = Object.keys(TOLERANCE) as (keyof Resources)[];

/** The least of each that is seen within a moment: what is being released meanwhile does not count. */
export async function resourcesAtRest(pid: number, folders: readonly string[]): Promise<Resources> {
  let least = resourcesNow(pid, folders);
  for (let waitedMs = 0; waitedMs < SETTLE_MS; waitedMs += POLL_MS) {
    await delay(POLL_MS);
    const now = resourcesNow(pid, folders);
    least = Object.fromEntries(RESOURCE_NAMES.map((name) => [name, Math.min(least[name], now[name])])) as {
      [name in keyof Resources]: number;
    };
  }
  return least;
}

function resourcesNow(pid: number, folders: readonly string[]): Resources {
  return {
    descriptors: openFiles(pid),
    threads: threadCount(pid),
    processes: processTree(pid).length - 1,
    zombies: zombies(pid),
    files: folders.reduce((sum, folder) => sum + readdirSync(folder, { recursive: true }).length, 0),
    memoryBytes: pssBytes(pid),
  };
}

/** A resource that grew beyond its tolerance. */
interface Leak {
  readonly resource: keyof Resources;
  readonly detail: string;
}

/**
 * Judges samples that were taken at rest, one after each round of the same load: a line is fitted to each resource,
 * and a leak is growth whose lower bound at 99.9 % confidence exceeds the tolerance.
 */
export function leaksOf(samples: readonly Resources[], tolerance: Resources = TOLERANCE): Leak[] {
  const rounds = samples.map((_, round) => round);
  return RESOURCE_NAMES.flatMap((resource) => {
    const values = samples.map((sample) => sample[resource]);
    const growth = growthOf(rounds, values);
    if (growth === undefined || growth.atLeast <= tolerance[resource]) return [];
    const [first, last] = [values[Math.floor(values.length / 3)], values.at(-1)];
    const detail = `${resource} grew by ${growth.fitted.toFixed(1)} (at least ${growth.atLeast.toFixed(1)}, 99.9 %) over ${values.length} rounds: ${first} to ${last}`;
    return [{ resource, detail }];
  });
}
