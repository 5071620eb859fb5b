import { constants } from 'node:os';
import { kill } from '../../../os/libc.js';
import type { Channels } from './channels.js';
import { groupOf, type Reaper, stateOf } from './reaper.js';

const { SIGCONT, SIGKILL, SIGSTOP } = constants.signals;
/** A process stops when it leaves the kernel; looking takes longer than that. */
const MAX_POLLS = 100;
const STOPPED = /[TtZX]/;

/**
 * Kills clones that were started and have not reported their process id. An action can stop the whole process group of
 * its template, and with it such a clone, which nobody else could kill.
 *
 * SIGSTOP all unreported children in the template's process group, read the sockets, kill those that are still
 * unreported and resume the others. A clone is in its template's group until it begins; children of other templates are
 * not touched.
 *
 * @param template the process id of their template
 */
export function killUnreportedClones(template: number, reaper: Reaper, channels: Channels): void {
  const unreported = reaper.unknownChildren().filter((pid) => groupOf(pid) === template);
  for (const pid of unreported) kill(pid, SIGSTOP);
  const stopped = unreported.filter(isStopped);
  channels.readAll();
  const unknown = new Set(reaper.unknownChildren());
  for (const pid of unreported) kill(pid, stopped.includes(pid) && unknown.has(pid) ? SIGKILL : SIGCONT);
}

function isStopped(pid: number): boolean {
  for (let polls = 0; polls < MAX_POLLS; polls++) if (STOPPED.test(stateOf(pid))) return true;
  return false;
}
