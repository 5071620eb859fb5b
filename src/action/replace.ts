import { linkSync, readdirSync, readlinkSync, renameSync, type Stats, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { Journal, lstat, type Places, type Step, takeBack } from './journal.js';
import { UnsafeEntry } from './refusals.js';

/**
 * Moves a tree of new files over the action folder, entry by entry, `exec` last, and can take it all back
 * (C-INIT-23), in this process or, by its journal, in the next.
 *
 * A file that takes the place of a file does so in one rename(2): there is no moment without it. What the
 * tree does not name stays.
 */
export class Replacement {
  readonly #steps: Step[] = [];
  readonly #places: Places;
  readonly #journal: Journal;
  #kept = 0;

  /** @param journal where there is no file yet */
  constructor(places: Places, journal: string) {
    this.#places = places;
    this.#journal = new Journal(journal);
  }

  /**
   * Refuses a tree that would be written through a symbolic link that lies in the folder (C-INIT-10).
   *
   * @throws UnsafeEntry
   */
  static refuseWayThroughLinks(tree: string, folder: string, shown = ''): void {
    for (const { name, isFolder } of entriesOf(tree)) {
      const target = lstat(join(folder, name));
      if (!isFolder || target === undefined) continue;
      const path = shown === '' ? name : `${shown}/${name}`;
      if (target.isSymbolicLink()) {
        throw new UnsafeEntry(`the entry ${JSON.stringify(path)} would be written through a symbolic link`);
      }
      if (target.isDirectory()) {
        Replacement.refuseWayThroughLinks(join(tree, name), join(folder, name), path);
      }
    }
  }

  /**
   * Moves the tree in, `exec` last and only if it will do there. On an error, or a no, call {@link undo}, else
   * {@link commit}.
   *
   * @param execWillDo asked when all else lies in its place
   * @returns what it said; true where the tree has no `exec`
   */
  apply(execWillDo: () => boolean): boolean {
    const names = readdirSync(this.#places.files).sort((a, b) => Number(a === 'exec') - Number(b === 'exec'));
    for (const name of names) {
      if (name === 'exec' && !execWillDo()) return false;
      this.#place(name);
    }
    return true;
  }

  /** From now on the new files are the action. */
  commit(): void {
    this.#journal.remove();
  }

  /** Puts everything back as it was. */
  undo(): void {
    takeBack(this.#steps, this.#places);
    this.#journal.remove();
  }

  #place(path: string): void {
    const source = join(this.#places.files, path);
    const target = join(this.#places.actionRoot, path);
    const before = lstat(target);
    if (before === undefined) {
      this.#note({ path, kept: null });
      renameSync(source, target);
      return;
    }
    const isFolder = lstat(source)?.isDirectory() === true;
    if (isFolder && before.isDirectory()) {
      for (const name of readdirSync(source)) this.#place(join(path, name));
      return;
    }
    const kept = String(this.#kept++);
    this.#note({ path, kept });
    const keptPath = join(this.#places.replaced, kept);
    if (isFolder || !tryCopy(before, target, keptPath)) renameSync(target, keptPath);
    renameSync(source, target);
  }

  #note(step: Step): void {
    this.#journal.note(step);
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
function tryCopy(before: Stats, from: string, to: string): boolean {
  try {
    if (before.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
    else if (before.isFile()) linkSync(from, to);
    else return false;
    return true;
  } catch {
    return false;
  }
}
