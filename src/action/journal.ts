import {
  closeSync,
  lstatSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  unlinkSync,
} from 'node:fs';
import { join } from 'node:path';
import { writeAll } from '../os/write-all.js';

/** One entry that takes its place in the action folder. */
export interface ReplacementStep {
  /** Below the folder of the new files, and below the action folder. */
  readonly path: string;
  /** The name under which what stood there is kept; null where nothing did. */
  readonly backupName: string | null;
}

/** Where a replacement moves from and to. */
export interface ReplacementPaths {
  /** The new files, laid out as they will lie. */
  readonly files: string;
  /** Where what is replaced is kept. */
  readonly replaced: string;
  readonly actionRoot: string;
}

/**
 * Notes each step of a replacement before it is taken, in a file: a server that is killed amid an init finds the
 * file at its next start, and takes the steps back (C-INIT-23). While the file is there the init has not happened;
 * its removal is the moment in which it has.
 */
export class Journal {
  readonly #path: string;
  readonly #descriptor: number;

  constructor(path: string) {
    this.#path = path;
    this.#descriptor = openSync(path, 'wx', 0o600);
  }

  /** Notes a step that will be taken next. */
  record(step: ReplacementStep): void {
    writeAll(this.#descriptor, Buffer.from(`${JSON.stringify([step.path, step.backupName])}\n`));
  }

  /** The replacement is done, or taken back. */
  remove(): void {
    closeSync(this.#descriptor);
    unlinkSync(this.#path);
  }
}

/** The steps of a journal that was left behind; undefined where there is none. A line without its end was not taken. */
export function readJournal(path: string): ReplacementStep[] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const lines = text.split('\n').slice(0, -1);
  return lines.map((line) => {
    const [path, backupName] = JSON.parse(line) as [string, string | null];
    return { path, backupName };
  });
}

/**
 * Puts everything back as it was, in reverse order. A step may have been taken wholly, half, or not at all, and may
 * have been taken back already: what is there says which.
 */
export function rollBack(
  steps: readonly ReplacementStep[],
  { files, replaced, actionRoot }: ReplacementPaths,
): void {
  for (const { path, backupName } of [...steps].reverse()) {
    const target = join(actionRoot, path);
    if (backupName === null) {
      if (lstat(join(files, path)) === undefined) rmSync(target, { recursive: true, force: true });
      continue;
    }
    const before = lstat(join(replaced, backupName));
    if (before === undefined) continue;
    // One rename puts a file back over a file or link; anything else has to make room first.
    const inOneStep = !before.isDirectory() && !lstat(target)?.isDirectory();
    if (!inOneStep) rmSync(target, { recursive: true, force: true });
    renameSync(join(replaced, backupName), target);
  }
}

/** What is at a path itself, not at the end of a link. */
export function lstat(path: string): Stats | undefined {
  return lstatSync(path, { throwIfNoEntry: false });
}
