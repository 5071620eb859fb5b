import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { readJournal, rollBack } from './journal.js';
import { STAGING_NAMES, STAGING_PREFIX } from './staging.js';

/**
 * Clears away what an init has left behind whose server, or whose thread, was killed amid it: the action that was
 * there before is there again, wholly, and nothing of the new one (C-INIT-23).
 *
 * To be called while no init is under way.
 *
 * @throws file system errors where the action can't be put back
 */
export function recoverInterruptedInit(actionRoot: string): void {
  for (const name of namesIn(actionRoot)) {
    if (!name.startsWith(STAGING_PREFIX)) continue;
    const folder = join(actionRoot, name);
    const steps = readJournal(join(folder, STAGING_NAMES.journal));
    if (steps !== undefined) {
      const [files, replaced] = [join(folder, STAGING_NAMES.files), join(folder, STAGING_NAMES.replaced)];
      rollBack(steps, { files, replaced, actionRoot });
      rmSync(join(folder, STAGING_NAMES.journal));
    }
    try {
      rmSync(folder, { recursive: true, force: true });
    } catch {
      // It is nobody's action, and the next start tries again.
    }
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    // None yet, or one that may not be read: then nothing was written there either.
    return [];
  }
}
