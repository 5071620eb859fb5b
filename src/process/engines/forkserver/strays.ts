import { constants } from 'node:os';
import { kill } from '../../libc.js';
import type { Channels } from './channels.js';
import { groupOf, type Reaper, stateOf } from './reaper.js';

const { SIGCONT, SIGKILL, SIGSTOP } = constants.signals;
/** A process stops when it leaves the kernel; looking takes longer than that. */
const MOST_LOOKS = 100;
const STOPPED = /[TtZX]/;

/**
 * Ends clones that are on their way and do not arrive. An action can stop the whole process group of its template, and
 * with it a clone that has not told its number yet: nobody could ever end that.
 *
 * Only who has not begun may be ended: they are stopped first, then all that was told is read, and who is known by then
 * goes on. Until it begins a clone is in its template's process group; the children of other templates are not touched.
 *
 * @param template the process id of their template
 */
export function endStrays(template: number, reaper: Reaper, channels: Channels): void {
  const strays = reaper.strangers().filter((pid) => groupOf(pid) === template);
  for (const pid of strays) kill(pid, SIGSTOP);
  const stopped = strays.filter(stops);
  channels.readAll();
  const unknown = new Set(reaper.strangers());
  for (const pid of strays) kill(pid, stopped.includes(pid) && unknown.has(pid) ? SIGKILL : SIGCONT);
}

function stops(pid: number): boolean {
  for (let looks = 0; looks < MOST_LOOKS; looks++) if (STOPPED.test(stateOf(pid))) return true;
  return false;
}
