import { statFields } from './proc-stat.js';
import { readIfThere } from './read-if-there.js';

/** One process as the kernel tells of it: `/proc/[pid]/stat` (proc(5)). */
interface ProcessInfo {
  readonly group: number;
  /** Seconds after the system's start. */
  readonly startedSeconds: number;
  readonly dead: boolean;
}

/** The unit of start times: USER_HZ, which the kernel's interfaces fix at 100. */
const TICKS_PER_SECOND = 100;

/**
 * Processes that activations have left behind and that live: the server is their parent now, as PID 1 or as
 * child subreaper (prctl(2)), and they are children of its main thread, where those of activations under way
 * are children of their workers.
 *
 * @param server the server's process id
 * @returns their pids; undefined where the kernel does not tell
 */
function leftoverProcesses(server = process.pid): number[] | undefined {
  const adopted = childrenOfMainThread(server);
  return adopted?.filter((pid) => readProcessInfo(pid)?.dead === false);
}

/** Beyond so many it is not looked which of them are dead: the count itself must not take long. */
const MAX_INSPECTED = 256;

/** How many processes activations have left behind; undefined where the kernel does not tell. */
export function leftoverCount(): number | undefined {
  const adopted = childrenOfMainThread(process.pid);
  if (adopted === undefined || adopted.length > MAX_INSPECTED) return adopted?.length;
  return adopted.filter((pid) => readProcessInfo(pid)?.dead === false).length;
}

/**
 * Kills what is left of a process group whose leader has exited and has not been reaped yet: until then the
 * group's number can't be anybody else's (C-RUN-25).
 *
 * @returns how many of the group's processes lived, as far as they are the server's children by now
 */
export function killProcessGroup(leader: number): number {
  const adopted = childrenOfMainThread(process.pid);
  // Every process of the group has an ancestor that the leader's death made the server's child.
  if (adopted?.length === 0) return 0;
  const left = (adopted ?? []).filter((pid) => {
    const facts = readProcessInfo(pid);
    return facts !== undefined && !facts.dead && facts.group === leader;
  });
  killOne(-leader);
  return left.length;
}

/**
 * Kills every leftover process, with all its descendants, that came to life before a moment.
 *
 * @param beforeSeconds the moment, in seconds after the system's start; Infinity for all
 * @returns how many were killed
 */
export function killLeftovers(beforeSeconds: number): number {
  let killed = 0;
  for (const pid of leftoverProcesses() ?? []) {
    const facts = readProcessInfo(pid);
    if (facts === undefined || facts.dead || facts.startedSeconds >= beforeSeconds) continue;
    for (const one of treeOf(pid)) if (killOne(one)) killed++;
  }
  return killed;
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid, pid).flatMap(treeOf)];
}

function childrenOfMainThread(server: number): number[] | undefined {
  const text = readIfThere(`/proc/${server}/task/${server}/children`);
  return text === undefined ? undefined : numbersIn(text);
}

function childrenOf(pid: number, thread: number): number[] {
  return numbersIn(readIfThere(`/proc/${pid}/task/${thread}/children`) ?? '');
}

function numbersIn(text: string): number[] {
  return text.split(' ').filter(Boolean).map(Number);
}

function readProcessInfo(pid: number): ProcessInfo | undefined {
  const stat = readIfThere(`/proc/${pid}/stat`);
  if (stat === undefined) return undefined;
  const fields = statFields(stat);
  return {
    group: Number(fields[2]),
    startedSeconds: Number(fields[19]) / TICKS_PER_SECOND,
    dead: fields[0] === 'Z' || fields[0] === 'X',
  };
}

function killOne(pid: number): boolean {
  try {
    process.kill(pid, 'SIGKILL');
    return true;
  } catch {
    return false;
  }
}
