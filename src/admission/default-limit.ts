import { readFileSync } from 'node:fs';

/** A run's three pipes, its pidfd, and its connection. */
const DESCRIPTORS_PER_RUN = 5;
/** What the server needs for itself: listeners, event loops, files, the spare of each thread. */
const OWN_DESCRIPTORS = 128;
/** Of the processes that are allowed, what is left to the actions' own children and to our threads. */
const PROCESSES_PER_RUN = 2;
const OWN_PROCESSES = 32;
/** One worker's resource table holds that many; beyond it memory, not descriptors, is the limit. */
const MAX_IN_FLIGHT = 4096;

/** How many activations may run and how many may wait, where nothing is set. */
interface DefaultLimits {
  readonly inFlight: number;
  readonly queued: number;
}

/**
 * What the limits on open files and processes allow (docs/decisions/0006-admission-limits.md). Half of the files are
 * for what runs, half for the connections of what waits.
 *
 * @param limits text of `/proc/self/limits` (proc(5)); Node has raised the soft limit of files to the hard
 * @param pidsMax how many processes the control groups allow; Infinity where they have no limit
 */
export function defaultLimits(limits: string, pidsMax: number): DefaultLimits {
  const files = Math.max(0, softLimit(limits, 'Max open files') - OWN_DESCRIPTORS) / 2;
  const processes = Math.min(softLimit(limits, 'Max processes'), pidsMax);
  const byFiles = Math.floor(files / DESCRIPTORS_PER_RUN);
  const byProcesses = Math.floor((processes - OWN_PROCESSES) / PROCESSES_PER_RUN);
  return {
    inFlight: Math.max(1, Math.min(byFiles, byProcesses, MAX_IN_FLIGHT)),
    queued: Math.max(1, Math.min(Math.floor(files), MAX_IN_FLIGHT)),
  };
}

/** What connections leave to the server itself, and to how many activations at a time. */
const RESERVED_DESCRIPTORS = 64;
const RESERVED_RUNS = 10;

/**
 * How many connections may be open: what the limit on open files leaves, so that the server and some activations find their
 * descriptors. Further activations wait for those.
 *
 * @param limits as above
 */
export function connectionsThatFit(limits: string, inFlight: number): number {
  const files = softLimit(limits, 'Max open files');
  const runs = Math.min(inFlight, RESERVED_RUNS);
  const left = files - RESERVED_DESCRIPTORS - runs * (DESCRIPTORS_PER_RUN - 1);
  return Math.max(1, Math.floor(files / 4), left);
}

function softLimit(limits: string, name: string): number {
  const line = limits.split('\n').find((candidate) => candidate.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  return soft === undefined || soft === 'unlimited' ? Infinity : Number(soft);
}

/**
 * What the limits of this process and of its control groups allow.
 *
 * @param limits as above
 */
export function systemLimits(limits: string): DefaultLimits {
  return defaultLimits(limits, lowestPidsMax(read('/proc/self/cgroup') ?? '', read));
}

/** Text of `/proc/self/limits`; empty where it can't be read. */
export function ownLimits(): string {
  return read('/proc/self/limits') ?? '';
}

/**
 * The lowest `pids.max` of the control group and of all above it (cgroups(7)): each of them counts. In a container whose
 * group is shown by its path on the host only the root can be read.
 *
 * @param groups text of `/proc/self/cgroup`
 * @param readFile reads a file below `/sys/fs/cgroup`, undefined where there is none
 */
export function lowestPidsMax(groups: string, readFile: (path: string) => string | undefined): number {
  let lowest = Infinity;
  for (const line of groups.split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined || (controllers !== '' && controllers !== 'pids')) continue;
    const mount = controllers === '' ? '/sys/fs/cgroup' : '/sys/fs/cgroup/pids';
    const names = path.split('/').filter((name) => name !== '' && name !== '..');
    for (let depth = names.length; depth >= 0; depth--) {
      const text = readFile([mount, ...names.slice(0, depth), 'pids.max'].join('/'));
      // `max` is no number, and no limit.
      lowest = Math.min(lowest, Number(text?.trim()) || Infinity);
    }
  }
  return lowest;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
