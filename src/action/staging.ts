import { randomBytes } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setMode } from '../os/file-mode.js';
import { type FileScope, removeTree } from '../os/file-scope.js';

/** Names of this kind in an action folder are ours, and gone when no init is under way. */
export const STAGING_PREFIX = '.hyperskeleton-';
/** What is in such a folder. */
export const STAGING_NAMES = { files: 'new', replaced: 'old', journal: 'journal' } as const;

/**
 * A hidden folder inside the action folder, on the same file system, where an init is written before
 * anything of the action is touched (C-INIT-23).
 */
export class StagingFolder {
  /** The new files, laid out as they will lie in the action folder. */
  readonly files: string;
  /** Room for what is replaced, until the init has succeeded. */
  readonly replaced: string;
  /** Where a replacement notes its steps. */
  readonly journal: string;
  readonly #folder: string;
  readonly #scope: FileScope;

  /**
   * @param actionRoot made where an action has removed it
   * @param scope works on the files of the action
   */
  constructor(actionRoot: string, scope: FileScope) {
    this.#scope = scope;
    this.#folder = join(actionRoot, `${STAGING_PREFIX}${randomBytes(6).toString('hex')}`);
    this.files = join(this.#folder, STAGING_NAMES.files);
    this.replaced = join(this.#folder, STAGING_NAMES.replaced);
    this.journal = join(this.#folder, STAGING_NAMES.journal);
    scope(() => {
      mkdirSync(actionRoot, { recursive: true });
      mkdirSync(this.#folder, { mode: 0o700 });
      mkdirSync(this.files);
      mkdirSync(this.replaced);
    });
  }

  /** Writes the one file of a non-binary init (C-INIT-04). @returns its bytes */
  writeText(name: string, text: Uint8Array, mode: number): number {
    const path = join(this.files, name);
    this.#scope(() => {
      writeFileSync(path, text, { flag: 'wx', mode });
      setMode(path, mode);
    });
    return text.byteLength;
  }

  /** Removes the folder with all that is left in it; what can't be removed is left to the next start. */
  async remove(): Promise<void> {
    await removeTree(this.#folder, this.#scope).catch(() => {});
  }
}
