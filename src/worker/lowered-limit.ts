import type { WorkerSettings } from '../pool/messages.js';
import { prlimit } from '../process/libc.js';
import { LoweredLimit } from '../process/open-files.js';

const RLIMIT_NOFILE = 7;
const THIS_PROCESS = 0;

/** The limit on open files that a thread starts actions with; undefined: the server's own. */
export function loweredLimitOf(
  { openFiles, shared }: WorkerSettings,
  slot: number,
): LoweredLimit | undefined {
  if (openFiles === undefined) return undefined;
  return new LoweredLimit(shared.openFiles, slot, openFiles, (limit) => {
    prlimit(THIS_PROCESS, RLIMIT_NOFILE, limit, null);
  });
}
