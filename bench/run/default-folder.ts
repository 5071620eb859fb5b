import { join } from 'node:path';
import { PROJECT } from '../support/paths.js';

/** Where a report goes that was given no place: in the project into a folder that git leaves out. */
export function defaultFolder(now: Date): string {
  const stamp = now.toISOString().slice(0, 19).replaceAll(':', '-');
  return process.cwd() === PROJECT.replace(/\/$/, '')
    ? join('bench', 'out', stamp)
    : `hyperskeleton-bench-${stamp}`;
}
