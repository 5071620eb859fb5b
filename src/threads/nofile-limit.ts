import { prlimit } from '../os/libc.js';
import { NofileLimit } from '../shared-memory/nofile-limit.js';
import type { WorkerSettings } from './messages.js';

const RLIMIT_NOFILE = 7;
const THIS_PROCESS = 0;

/** The limit on open files that a thread starts actions with; undefined: the server's own. */
export function nofileLimitFor({ openFiles, shared }: WorkerSettings, slot: number): NofileLimit | undefined {
  if (openFiles === undefined) return undefined;
  return new NofileLimit(shared.openFiles, slot, openFiles, (limit) => {
    prlimit(THIS_PROCESS, RLIMIT_NOFILE, limit, null);
  });
}
