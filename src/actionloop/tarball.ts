import { chmodSync, closeSync, fchmodSync, mkdirSync, openSync, symlinkSync, writeSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Entry } from 'tar-stream';
import type { ArchiveLimits } from '../action/archive.js';
import { checkLinkTarget, entryComponents } from '../action/entry-path.js';
import { ArchiveTooLarge, BadArchive, UnsafeEntry } from '../action/refusals.js';
import { asServer, type FileScope } from '../process/acting-as.js';

type Kind = 'file' | 'folder' | 'link';

const KINDS: Readonly<Record<string, Kind>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'folder',
  symlink: 'link',
};

/**
 * Unpacks a tar.gz into an empty folder, with the checks that a zip gets (C-INIT-09 to C-INIT-13): modes and
 * links are kept, nothing is written outside, through a link, or beyond the limits.
 *
 * @returns how many bytes came out of it
 * @throws BadArchive, UnsafeEntry, ArchiveTooLarge, and file system errors; what has been written then is the
 *   caller's to remove
 */
export async function unpackTarball(
  packed: Buffer,
  folder: string,
  limits: ArchiveLimits,
  scope: FileScope = asServer,
): Promise<number> {
  const { extract } = await import('tar-stream');
  const tarball = new Tarball(folder, limits, scope);
  const entries = extract();
  const gunzip = createGunzip();
  const fed = pipeline(gunzip, entries);
  gunzip.end(packed);
  try {
    const read = async (): Promise<void> => {
      for await (const entry of entries) await tarball.take(entry);
    };
    await Promise.all([read(), fed]);
  } catch (error) {
    throw refusalOf(error);
  }
  tarball.finish();
  return tarball.bytes;
}

class Tarball {
  readonly #folder: string;
  readonly #limits: ArchiveLimits;
  readonly #scope: FileScope;
  readonly #kinds = new Map<string, Kind>();
  readonly #links = new Map<string, string>();
  readonly #folderModes = new Map<string, number>();
  #bytes = 0;
  #entries = 0;

  constructor(folder: string, limits: ArchiveLimits, scope: FileScope) {
    this.#scope = scope;
    this.#folder = folder;
    this.#limits = limits;
  }

  async take(entry: Entry): Promise<void> {
    const { name, type, linkname, mode } = entry.header;
    const { maxEntries } = this.#limits;
    if (++this.#entries > maxEntries) throw new ArchiveTooLarge(`it has more than ${maxEntries} entries`);
    const components = entryComponents(name);
    const kind = KINDS[type ?? 'file'];
    if (kind === undefined) {
      throw new UnsafeEntry(`the entry ${JSON.stringify(name)} is neither a file nor a folder nor a link`);
    }
    if (components.length > 0) this.#refuseConflict(components, kind);
    const path = join(this.#folder, ...components);
    const permissions = (mode ?? 0) & 0o777;
    if (kind === 'folder') {
      this.#scope(() => mkdirSync(path, { recursive: true }));
      if (permissions !== 0) this.#folderModes.set(path, permissions);
    } else {
      this.#scope(() => mkdirSync(dirname(path), { recursive: true }));
      if (kind === 'link') {
        checkLinkTarget(components, linkname ?? '');
        this.#links.set(path, linkname ?? '');
      } else {
        await this.#write(entry, path, permissions === 0 ? 0o644 : permissions);
        return;
      }
    }
    entry.resume();
  }

  /** Of all files so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Links come last, so that nothing is ever written through one; then the modes of folders, inner ones first. */
  finish(): void {
    this.#scope(() => {
      for (const [path, target] of this.#links) symlinkSync(target, path);
      for (const [path, mode] of [...this.#folderModes].reverse()) chmodSync(path, mode | 0o700);
    });
  }

  /** As in a zip: of two entries of a kind the last counts, anything else is refused. */
  #refuseConflict(components: readonly string[], kind: Kind): void {
    for (let depth = 1; depth < components.length; depth++) {
      const parent = components.slice(0, depth).join('/');
      const above = this.#kinds.get(parent) ?? 'folder';
      if (above !== 'folder') {
        throw new UnsafeEntry(`the entry ${JSON.stringify(components.join('/'))} lies below a ${above}`);
      }
      this.#kinds.set(parent, 'folder');
    }
    const path = components.join('/');
    if (components.length === 0 || (this.#kinds.get(path) ?? kind) !== kind) {
      throw new UnsafeEntry(`there are two entries for ${JSON.stringify(path)}`);
    }
    this.#kinds.set(path, kind);
  }

  async #write(entry: Entry, path: string, mode: number): Promise<void> {
    const descriptor = this.#scope(() => openSync(path, 'w', 0o600));
    try {
      for await (const chunk of entry) {
        const bytes = chunk as Buffer;
        this.#bytes += bytes.length;
        if (this.#bytes > this.#limits.maxUnzippedBytes) {
          throw new ArchiveTooLarge(
            `it inflates beyond the limit, at the entry ${JSON.stringify(entry.header.name)}`,
          );
        }
        let written = 0;
        while (written < bytes.length) written += writeSync(descriptor, bytes, written);
      }
      this.#scope(() => fchmodSync(descriptor, mode));
    } finally {
      closeSync(descriptor);
    }
  }
}

function refusalOf(error: unknown): unknown {
  const known =
    error instanceof BadArchive || error instanceof UnsafeEntry || error instanceof ArchiveTooLarge;
  // What zlib and the tar reader complain about is the archive; a failed system call is not.
  if (known || (error as NodeJS.ErrnoException).syscall !== undefined) return error;
  return new BadArchive(error instanceof Error ? error.message : String(error));
}
