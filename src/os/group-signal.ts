import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { statFields } from './proc-stat.js';

/**
 * So long after SIGKILL the end of a process is waited for. One in an uninterruptible state, or held by a tracer, ends
 * later; until then it holds up nobody.
 */
export const MAX_KILL_MS = 200;

/**
 * Sends a signal to a child of this process that has not been reaped, and to the group that it was made the leader of,
 * by Node's own calls. It may have left that group, for the server's own too (setpgid(2)): then it gets the signal by
 * itself, and the group that it has joined gets none.
 *
 * SIGKILL goes both ways in any case; any other signal reaches no process twice.
 */
export function signalWithGroup(pid: number, signal: number): void {
  const sent = send(-pid, signal);
  if (!sent || signal === constants.signals.SIGKILL || groupOf(pid) !== pid) send(pid, signal);
}

function send(pid: number, signal: number): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Its process group (proc(5)); 0 when there is no such process. */
function groupOf(pid: number): number {
  try {
    return Number(statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[2] ?? 0);
  } catch {
    return 0;
  }
}
