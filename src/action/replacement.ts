import { linkSync, readdirSync, readlinkSync, renameSync, type Stats, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { UnsafeEntryError } from './archive/errors.js';
import { Journal, lstat, type ReplacementPaths, type ReplacementStep, rollBack } from './journal.js';

/**
 * Moves a tree of new files over the action folder, entry by entry, `exec` last, and can take it all back
 * (C-INIT-23), in this process or, by its journal, in the next.
 *
 * A file that takes the place of a file does so in one rename(2): there is no moment without it. What the
 * tree does not name stays.
 */
export class Replacement {
  readonly #steps: ReplacementStep[] = [];
  readonly #paths: ReplacementPaths;
  readonly #journal: Journal;
  #backups = 0;

  /** @param journal where there is no file yet */
  constructor(places: ReplacementPaths, journal: string) {
    this.#paths = places;
    this.#journal = new Journal(journal);
  }

  /**
   * Refuses a tree that would be written through a symbolic link that lies in the folder (C-INIT-10).
   *
   * @throws UnsafeEntryError
   */
  static rejectSymlinkedPaths(tree: string, folder: string, shown = ''): void {
    for (const { name, isFolder } of entriesOf(tree)) {
      const target = lstat(join(folder, name));
      if (!isFolder || target === undefined) continue;
      const path = shown === '' ? name : `${shown}/${name}`;
      if (target.isSymbolicLink()) {
        throw new UnsafeEntryError(
          `the entry ${JSON.stringify(path)} would be written through a symbolic link`,
        );
      }
      if (target.isDirectory()) {
        Replacement.rejectSymlinkedPaths(join(tree, name), join(folder, name), path);
      }
    }
  }

  /**
   * Moves the tree in, `exec` last and only if it will do there. On an error, or a no, call {@link undo}, else
   * {@link commit}.
   *
   * @param isExecUsable asked when all else lies in its place
   * @returns what it said; true where the tree has no `exec`
   */
  apply(isExecUsable: () => boolean): boolean {
    const names = readdirSync(this.#paths.files).sort((a, b) => Number(a === 'exec') - Number(b === 'exec'));
    for (const name of names) {
      if (name === 'exec' && !isExecUsable()) return false;
      this.#replaceEntry(name);
    }
    return true;
  }

  /** From now on the new files are the action. */
  commit(): void {
    this.#journal.remove();
  }

  /** Puts everything back as it was. */
  undo(): void {
    rollBack(this.#steps, this.#paths);
    this.#journal.remove();
  }

  #replaceEntry(path: string): void {
    const source = join(this.#paths.files, path);
    const target = join(this.#paths.actionRoot, path);
    const before = lstat(target);
    if (before === undefined) {
      this.#record({ path, backupName: null });
      renameSync(source, target);
      return;
    }
    const isFolder = lstat(source)?.isDirectory() === true;
    if (isFolder && before.isDirectory()) {
      for (const name of readdirSync(source)) this.#replaceEntry(join(path, name));
      return;
    }
    const backupName = String(this.#backups++);
    this.#record({ path, backupName });
    const keptPath = join(this.#paths.replaced, backupName);
    if (isFolder || !tryBackUpCopy(before, target, keptPath)) renameSync(target, keptPath);
    renameSync(source, target);
  }

  #record(step: ReplacementStep): void {
    this.#journal.record(step);
    this.#steps.push(step);
  }
}

function entriesOf(folder: string): { name: string; isFolder: boolean }[] {
  return readdirSync(folder, { withFileTypes: true }).map((entry) => ({
    name: entry.name,
    isFolder: entry.isDirectory(),
  }));
}

/** Keeps a file or link without taking it away; false where that can't be done. */
function tryBackUpCopy(before: Stats, from: string, to: string): boolean {
  try {
    if (before.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
    else if (before.isFile()) linkSync(from, to);
    else return false;
    return true;
  } catch {
    return false;
  }
}
