import { readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { FileScope } from '../../os/file-scope.js';
import { recoverInterruptedInit } from '../recover.js';
import { STAGING_PREFIX } from '../staging.js';

/** A file in the folder of an init, until that has succeeded. */
export const UNFINISHED_MARKER = `${STAGING_PREFIX}unfinished`;

/**
 * Clears away what inits have left whose server was killed amid them (C-INIT-23).
 *
 * @param scope works on the files of the action
 */
export function ensureActionLoopRoot(actionRoot: string, scope: FileScope): void {
  scope(() => removeUnfinished(actionRoot));
}

function removeUnfinished(actionRoot: string): void {
  recoverInterruptedInit(actionRoot);
  for (const name of readdirSync(actionRoot)) {
    const folder = join(actionRoot, name);
    if (!/^\d{1,9}$/.test(name) || !isUnfinished(folder)) continue;
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // It harms nobody: the next init takes the next number.
    }
  }
}

/** Marked as such, or killed before it could be marked. */
function isUnfinished(folder: string): boolean {
  if (statSync(join(folder, UNFINISHED_MARKER), { throwIfNoEntry: false }) !== undefined) return true;
  return statSync(folder).isDirectory() && readdirSync(folder).length === 0;
}
