import { readdirSync, readFileSync } from 'node:fs';

const KIB = 1024;
/** Of /proc/<pid>/stat and /proc/stat; Linux shows every program 100. */
export const TICKS_PER_SECOND = 100;

/** A process and all its descendants, whichever of its threads started them. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

function childrenOf(pid: number): number[] {
  const threads = attempt(() => readdirSync(`/proc/${pid}/task`), []);
  return threads.flatMap((thread) => {
    const children = attempt(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1'), '');
    return children.split(' ').filter(Boolean).map(Number);
  });
}

/** Memory of one process in bytes: its proportional share (PSS) of what it has resident. */
export function pssBytes(pid: number): number {
  const rollup = attempt(() => readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), '');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * KIB;
}

/** Memory of a process and all its descendants in bytes. */
export function treePssBytes(pid: number): number {
  return treeMemory(pid, '');
}

function treeMemory(pid: number, parentLayout: string): number {
  // In this order: a child that calls exec in between counts for nothing, and not for all of its parent's memory.
  const layout = memoryLayout(pid);
  const rollup = attempt(() => readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), '');
  // Between vfork and exec a child runs in its parent's own memory. The kernel shows that memory for both as
  // if each had it alone; after a plain fork, in contrast, most of it counts as shared.
  const borrowed =
    layout === parentLayout && 2 * kibOf(rollup, 'Private_(?:Clean|Dirty)') > kibOf(rollup, 'Rss');
  const own = borrowed ? 0 : kibOf(rollup, 'Pss') * KIB;
  return childrenOf(pid).reduce((sum, child) => sum + treeMemory(child, layout), own);
}

/** The sum of the lines of a smaps_rollup with these names. */
function kibOf(rollup: string, names: string): number {
  const lines = rollup.matchAll(new RegExp(`^${names}:\\s+(\\d+) kB$`, 'gm'));
  return [...lines].reduce((sum, [, kib]) => sum + Number(kib), 0);
}

/** Where code and stack begin: the same for a parent and a child that has not called exec, and hardly else. */
function memoryLayout(pid: number): string {
  const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, 'latin1'), '');
  return statFields(stat).slice(23, 26).join(' ');
}

/** How many threads a process has. */
export function threadCount(pid: number): number {
  return Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
}

/** How many descriptors a process has open. */
export function openFiles(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

/** How many descendants of a process have ended and were not waited for. */
export function zombies(pid: number): number {
  const states = processTree(pid).map((one) =>
    attempt(() => readFileSync(`/proc/${one}/stat`, 'latin1'), ''),
  );
  return states.filter((stat) => statFields(stat)[0] === 'Z').length;
}

/** CPU time of a process and of all children that it has waited for, in ticks. */
export function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return statFields(stat)
    .slice(11, 15)
    .reduce((sum, field) => sum + Number(field), 0);
}

/** The fields of /proc/<pid>/stat from the third on: the command's name before them may hold blanks. */
function statFields(stat: string): string[] {
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** CPU time of a process, its living descendants, and all children that any of them has waited for, in ticks. */
export function treeTicks(pid: number): number {
  return processTree(pid).reduce((sum, one) => sum + attempt(() => finerTicks(one), 0), 0);
}

const NS_PER_TICK = 1e9 / TICKS_PER_SECOND;

/**
 * Like {@link cpuTicks}, with fractions where the process has a single thread: whole ticks are rounded down, and
 * of a thousand actions with 5 ms each nothing would be seen.
 */
function finerTicks(pid: number): number {
  const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1')).map(Number);
  const [user = 0, system = 0, childrenUser = 0, childrenSystem = 0] = fields.slice(11, 15);
  const runNs = fields[17] === 1 ? schedulerNs(pid) : undefined;
  return childrenUser + childrenSystem + (runNs === undefined ? user + system : runNs / NS_PER_TICK);
}

/** What the scheduler counts for a process's first thread; undefined where the kernel does not tell. */
function schedulerNs(pid: number): number | undefined {
  const text = attempt(() => readFileSync(`/proc/${pid}/schedstat`, 'latin1'), '');
  return text === '' ? undefined : Number(text.split(' ')[0]);
}

/** A process may end while it is looked at. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
