import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fchmodSync,
  mkdirSync,
  openSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { FileScope } from '../process/acting-as.js';
import type { ArchiveLimits, PlannedEntry } from './archive.js';
import type { InflateBudget } from './inflate.js';
import { inflateEntry } from './inflate.js';

/** Names of this kind in an action folder are ours, and gone when no init is under way. */
const PREFIX = '.hyperskeleton-';

/**
 * A hidden folder inside the action folder, on the same file system, where an init is written before
 * anything of the action is touched (D-04).
 */
export class Staging {
  /** The new files, laid out as they will lie in the action folder. */
  readonly files: string;
  /** Room for what is replaced, until the init has succeeded. */
  readonly replaced: string;
  readonly #folder: string;
  readonly #scope: FileScope;

  /** @param scope works on the files of the action */
  constructor(actionRoot: string, scope: FileScope) {
    this.#scope = scope;
    this.#folder = join(actionRoot, `${PREFIX}${randomBytes(6).toString('hex')}`);
    this.files = join(this.#folder, 'new');
    this.replaced = join(this.#folder, 'old');
    scope(() => {
      mkdirSync(this.#folder, { mode: 0o700 });
      mkdirSync(this.files);
      mkdirSync(this.replaced);
    });
  }

  /** Writes the one file of a non-binary init (C-INIT-04). @returns its bytes */
  writeText(name: string, text: string, mode: number): number {
    const path = join(this.files, name);
    this.#scope(() => {
      writeFileSync(path, text, { flag: 'wx', mode: 0o600 });
      chmodSync(path, mode);
    });
    return Buffer.byteLength(text);
  }

  /**
   * Writes every entry of a checked archive, modes and links as they are.
   *
   * @returns how many bytes came out of it
   * @throws what {@link inflateEntry} throws, and file system errors
   */
  async writeArchive(entries: readonly PlannedEntry[], limits: ArchiveLimits): Promise<number> {
    const budget: InflateBudget = { remainingBytes: limits.maxUnzippedBytes };
    for (const { components, kind, mode, entry, target } of entries) {
      const path = join(this.files, ...components);
      const descriptor = this.#scope(() => {
        mkdirSync(kind === 'folder' ? path : dirname(path), { recursive: true });
        if (kind === 'link') symlinkSync(target ?? '', path);
        return kind === 'file' ? openSync(path, 'wx', 0o600) : undefined;
      });
      if (descriptor === undefined) continue;
      try {
        await inflateEntry(entry, budget, (chunk) => writeAll(descriptor, chunk));
        this.#scope(() => fchmodSync(descriptor, mode));
      } finally {
        closeSync(descriptor);
      }
    }
    // A folder without write permission could not be filled: folders get their modes last, inner ones first.
    const folders = entries.filter(({ kind }) => kind === 'folder');
    folders.sort((a, b) => b.components.length - a.components.length);
    this.#scope(() => {
      for (const { components, mode } of folders) chmodSync(join(this.files, ...components), mode | 0o700);
    });
    return limits.maxUnzippedBytes - budget.remainingBytes;
  }

  /** Removes the folder with all that is left in it. */
  remove(): void {
    this.#scope(() => rmSync(this.#folder, { recursive: true, force: true }));
  }
}

function writeAll(descriptor: number, bytes: Buffer): void {
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}
