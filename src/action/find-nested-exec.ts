import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Archives that were packed with a folder around their files have one or two of them. */
const MAX_DEPTH = 3;
/** Folders that macOS adds to an archive. */
const IGNORED_FOLDER = '__MACOSX';

/**
 * What a file at the top is named that was meant to be `exec`: in capitals, with an extension or blanks.
 *
 * @returns undefined for none, or more than one
 */
function nearlyExec(folder: string): string | undefined {
  const found = readdirSync(folder, { withFileTypes: true }).filter(
    (entry) => !entry.isDirectory() && /^\s*exec(\.\w+)?\s*$/i.test(entry.name),
  );
  return found.length === 1 ? found[0]?.name : undefined;
}

/**
 * Where a file named `exec` lies that is not at the top, for whoever packed it with the folder around it.
 *
 * @returns its path below the folder, the least deep one; undefined for none
 */
function findNestedExec(folder: string): string | undefined {
  let paths = [''];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const next: string[] = [];
    for (const path of paths) {
      for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
        if (entry.name === 'exec' && !entry.isDirectory() && depth > 0) return join(path, entry.name);
        if (entry.isDirectory() && entry.name !== IGNORED_FOLDER) next.push(join(path, entry.name));
      }
    }
    paths = next;
  }
  return undefined;
}

/** What stands for the `exec` that a folder does not have, and what to do about it; undefined where nothing does. */
export function misplacedExecIn(folder: string): string | undefined {
  const named = nearlyExec(folder);
  if (named !== undefined) return `${JSON.stringify(named)}: name it exec`;
  const below = findNestedExec(folder);
  return below === undefined ? undefined : `${below}: pack what is in that folder, not the folder`;
}
