import { readFileSync } from 'node:fs';

const KIB = 1024;

/** A process and all its descendants. */
export function processTree(pid: number): number[] {
  const children = attempt(() => readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1'), '');
  return [
    pid,
    ...children
      .split(' ')
      .filter(Boolean)
      .flatMap((child) => processTree(Number(child))),
  ];
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

/** A process may end while it is looked at. */
function attempt<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}
