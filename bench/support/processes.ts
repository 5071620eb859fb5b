import { readdirSync, readFileSync } from 'node:fs';

const KIB = 1024;
/** Of /proc/<pid>/stat and /proc/stat; Linux shows every program 100. */
export const TICKS_PER_SECOND = 100;

/** A process and all its descendants, whichever of its threads started them. */
export function processTree(pid: number): number[] {
  const tree = [pid];
  for (const thread of attempt(() => readdirSync(`/proc/${pid}/task`), [])) {
    const children = attempt(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1'), '');
    for (const child of children.split(' ')) if (child !== '') tree.push(...processTree(Number(child)));
  }
  return tree;
}

/** Memory of one process in bytes: its proportional share (PSS) of what it has resident. */
export function pssBytes(pid: number): number {
  const rollup = attempt(() => readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1'), '');
  return Number(/^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1] ?? 0) * KIB;
}

/** Memory of a process and all its descendants in bytes. */
export function treePssBytes(pid: number): number {
  return processTree(pid).reduce((sum, one) => sum + pssBytes(one), 0);
}

/** How many threads a process has. */
export function threadCount(pid: number): number {
  return Number(/^Threads:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
}

/** CPU time of a process and of all children that it has waited for, in ticks. */
export function cpuTicks(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The command's name may hold blanks: fields are counted from the parenthesis that ends it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
}

/** CPU time of a process, its living descendants, and all children that any of them has waited for, in ticks. */
export function treeTicks(pid: number): number {
  return processTree(pid).reduce((sum, one) => sum + attempt(() => cpuTicks(one), 0), 0);
}

/** A process may end while it is looked at. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
