import { readdirSync, readFileSync, statSync } from 'node:fs';
import { uptime } from 'node:os';
import { pidsInFlight } from '../shared-memory/resource-table.js';
import { readHead } from './executable.js';
import { statFields } from './proc-stat.js';

/** An interpreter has opened its script within that time, or is taken to have read and closed it. */
const MAX_OPENING_MS = 250;
/** The unit of start times: USER_HZ, which the kernel's interfaces fix at 100. */
const TICKS_PER_SECOND = 100;

/**
 * Whether every process that was just started from a script has opened it. The kernel gives an interpreter the script's
 * path only (execve(2)): one that opens it after an init has replaced it would read another action's script with the
 * variables of its own init (C-INIT-23). A program has no such moment.
 *
 * @param resourceTable the memory that has the processes in flight
 * @param exec path of the action's executable
 */
export function haveScriptsOpened(resourceTable: SharedArrayBuffer, exec: string): boolean {
  const script = scriptAt(exec);
  return script === undefined || !pidsInFlight(resourceTable).some((pid) => isStillOpening(pid, script));
}

interface FileId {
  readonly dev: number;
  readonly ino: number;
}

function scriptAt(path: string): FileId | undefined {
  try {
    return readHead(path)?.toString('latin1', 0, 2) === '#!' ? statSync(path) : undefined;
  } catch {
    return undefined;
  }
}

function isStillOpening(pid: number, { dev, ino }: FileId): boolean {
  try {
    const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    const startedSeconds = Number(fields[19]) / TICKS_PER_SECOND;
    if (fields[0] === 'Z' || (uptime() - startedSeconds) * 1000 > MAX_OPENING_MS) return false;
    return !readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const stats = statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
      return stats?.dev === dev && stats.ino === ino;
    });
  } catch {
    // It has ended.
    return false;
  }
}
