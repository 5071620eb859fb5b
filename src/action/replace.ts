import {
  linkSync,
  lstatSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { UnsafeEntry } from './refusals.js';

interface Step {
  readonly target: string;
  /** Where what stood there before is kept; undefined when nothing did. */
  readonly kept: string | undefined;
}

/**
 * Moves a tree of new files over the action folder, entry by entry, `exec` last, and can take it all back
 * (C-INIT-23, D-04).
 *
 * A file that takes the place of a file does so in one rename(2): there is no moment without it. What the
 * tree does not name stays.
 */
export class Replacement {
  readonly #steps: Step[] = [];
  readonly #keep: string;
  #kept = 0;

  /** @param keep an empty folder on the same file system, for what is replaced */
  constructor(keep: string) {
    this.#keep = keep;
  }

  /**
   * Refuses a tree that would be written through a symbolic link that lies in the folder (C-INIT-10).
   *
   * @throws UnsafeEntry
   */
  static refuseWayThroughLinks(tree: string, folder: string, shown = ''): void {
    for (const name of readdirSync(tree)) {
      const source = lstatSync(join(tree, name));
      const target = lstat(join(folder, name));
      if (!source.isDirectory() || target === undefined) continue;
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
   * Moves the tree in, `exec` last and only if it will do there. On an error, or a no, call {@link undo}.
   *
   * @param execWillDo asked when all else lies in its place
   * @returns what it said; true where the tree has no `exec`
   */
  apply(tree: string, folder: string, execWillDo: () => boolean): boolean {
    const names = readdirSync(tree).sort((a, b) => Number(a === 'exec') - Number(b === 'exec'));
    for (const name of names) {
      if (name === 'exec' && !execWillDo()) return false;
      this.#place(join(tree, name), join(folder, name));
    }
    return true;
  }

  /** Puts everything back as it was, in reverse order. */
  undo(): void {
    for (const { target, kept } of this.#steps.reverse()) {
      // One rename puts a file back over a file or link; anything else has to make room first.
      const inOneStep = kept !== undefined && !lstat(kept)?.isDirectory() && !lstat(target)?.isDirectory();
      if (!inOneStep) rmSync(target, { recursive: true, force: true });
      if (kept !== undefined) renameSync(kept, target);
    }
    this.#steps.length = 0;
  }

  #place(source: string, target: string): void {
    const before = lstat(target);
    if (before === undefined) {
      renameSync(source, target);
      this.#steps.push({ target, kept: undefined });
      return;
    }
    const isFolder = lstatSync(source).isDirectory();
    if (isFolder && before.isDirectory()) {
      for (const name of readdirSync(source)) this.#place(join(source, name), join(target, name));
      return;
    }
    const kept = join(this.#keep, String(this.#kept++));
    if (isFolder || !tryCopy(before, target, kept)) renameSync(target, kept);
    this.#steps.push({ target, kept });
    renameSync(source, target);
  }
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

function lstat(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
