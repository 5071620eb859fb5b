import { readdirSync } from 'node:fs';
import { join } from 'node:path';

/** Archives that were packed with a folder around their files have one or two of them. */
const MAX_DEPTH = 3;
/** Folders that macOS adds to an archive. */
const NOT_THE_ACTION = '__MACOSX';

/**
 * Where a file named `exec` lies that is not at the top, for whoever packed it with the folder around it.
 *
 * @returns its path below the folder, the least deep one; undefined for none
 */
export function execBelow(folder: string): string | undefined {
  let paths = [''];
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    const next: string[] = [];
    for (const path of paths) {
      for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
        if (entry.name === 'exec' && !entry.isDirectory() && depth > 0) return join(path, entry.name);
        if (entry.isDirectory() && entry.name !== NOT_THE_ACTION) next.push(join(path, entry.name));
      }
    }
    paths = next;
  }
  return undefined;
}
