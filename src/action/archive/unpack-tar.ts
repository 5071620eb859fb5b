import { closeSync, copyFileSync, linkSync, mkdirSync, openSync, rmSync, symlinkSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import type { Header as TarHeader } from 'tar-stream';
import { setMode } from '../../os/file-mode.js';
import { writeAll } from '../../os/write-all.js';
import { messageOf } from '../../protocol/message-of.js';
import { checkLinkTarget, entryComponents } from './entry-path.js';
import { type EntryKind, type EntryNode, EntryTree } from './entry-tree.js';
import { ArchiveTooLargeError, InvalidArchiveError, UnsafeEntryError } from './errors.js';
import { type ArchiveLimits, UnpackBudget } from './unpack-budget.js';

const KINDS: Readonly<Record<string, EntryKind>> = {
  file: 'file',
  'contiguous-file': 'file',
  directory: 'folder',
  symlink: 'link',
};
/** All targets of links together: they are kept until all else is written. */
const MAX_LINK_BYTES = 16 * 1024 * 1024;
/** What POSIX and GNU tar name the records of a sparse file by. */
const SPARSE = 'GNU.sparse.';

/** What tar-stream says of an entry; `type` is null for one that it does not know. */
interface Header extends Omit<TarHeader, 'type' | 'linkname' | 'pax'> {
  readonly type: TarHeader['type'] | null;
  readonly linkname: string | null;
  readonly pax: Readonly<Record<string, string>> | null;
}

/** An entry: its header, and its bytes. */
type Entry = AsyncIterable<Uint8Array> & { readonly header: Header; resume(): void };

/**
 * Unpacks a tar.gz into an empty folder, with the checks that a zip gets (C-INIT-09 to C-INIT-13): modes and
 * links are kept, nothing is written outside, through a link, or beyond the limits. Names are kept as bytes.
 *
 * @returns how many bytes came out of it, all files together
 * @throws InvalidArchiveError, UnsafeEntryError, ArchiveTooLargeError, and file system errors; what has been written
 *   then is the
 *   caller's to remove
 */
export async function unpackTarball(packed: Buffer, folder: string, limits: ArchiveLimits): Promise<number> {
  const { extract } = await import('tar-stream');
  const tarball = new TarUnpacker(folder, limits);
  const budget = new UnpackBudget(limits, packed.length);
  // Latin-1 has a character for each byte.
  const entries = extract({ filenameEncoding: 'latin1', allowUnknownFormat: true } as object);
  const gunzip = createGunzip();
  // Counted here are also headers, long names and padding, which make no file.
  const counted = async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      budget.add(chunk.length);
      yield chunk;
    }
  };
  const fed = pipeline(gunzip, counted, entries as unknown as NodeJS.WritableStream);
  gunzip.end(packed);
  try {
    const read = async (): Promise<void> => {
      for await (const entry of entries) await tarball.unpackEntry(entry as unknown as Entry);
    };
    await Promise.all([read(), fed]);
  } catch (error) {
    throw tarball.entries === 0 ? noTar(error) : toArchiveError(error);
  }
  tarball.finish();
  return tarball.bytes;
}

class TarUnpacker {
  readonly #root: Buffer;
  readonly #tree: EntryTree;
  readonly #links = new Map<EntryNode, { readonly path: Buffer; readonly target: Buffer }>();
  #linkBytes = 0;
  #bytes = 0;
  #entries = 0;

  constructor(folder: string, limits: ArchiveLimits) {
    this.#root = Buffer.from(folder);
    this.#tree = new EntryTree(limits.maxEntries, shownName);
  }

  /** So far. */
  get entries(): number {
    return this.#entries;
  }

  /** Of all files so far. */
  get bytes(): number {
    return this.#bytes;
  }

  async unpackEntry(entry: Entry): Promise<void> {
    const { header } = entry;
    const name = bytesOf(header.name, header.pax?.path);
    const components = entryComponents(name, shownName);
    if (header.type === 'link') this.#hardLink(components, header);
    else {
      const kind = kindOf(header, name);
      if (components.length === 0 && kind !== 'folder') {
        throw new UnsafeEntryError(`the entry ${shownName(name)} names the folder itself`);
      }
      if (kind === 'file') return this.#file(entry, components);
      // `.` itself, which `tar c .` begins with, keeps the mode that it has.
      if (kind === 'folder' && components.length > 0) this.#addFolder(components, header);
      if (kind === 'link') this.#symlink(components, header);
    }
    entry.resume();
  }

  /** Links come last, so that nothing is ever written through one; then the modes of folders, inner ones first. */
  finish(): void {
    for (const { path, target } of this.#links.values()) symlinkSync(target, path);
    this.#finishFolders(this.#tree.root, []);
  }

  #finishFolders(node: EntryNode, components: readonly string[]): void {
    for (const [name, child] of node.children ?? []) {
      if (child.kind === 'folder') this.#finishFolders(child, [...components, name]);
    }
    if (node.index >= 0 && node.mode !== 0) setMode(this.#path(components), node.mode | 0o700);
  }

  #add(components: readonly string[], kind: EntryKind, mode: number): EntryNode {
    const index = this.#entries++;
    const node = this.#tree.add(components, { kind, index, mode, encoding: 'bytes', mayBeFolder: false });
    this.#ensureFolders(kind === 'folder' ? components : components.slice(0, -1));
    return node;
  }

  #addFolder(components: readonly string[], { mode }: Header): void {
    this.#add(components, 'folder', mode & 0o777);
  }

  async #file(entry: Entry, components: readonly string[]): Promise<void> {
    const node = this.#add(components, 'file', 0);
    const path = this.#path(components);
    // Of two entries for one file the last counts; the first may have a second name by now.
    if (node.isCreated) rmSync(path);
    node.isCreated = true;
    const mode = entry.header.mode & 0o777 || 0o644;
    const descriptor = openSync(path, 'wx', mode);
    try {
      for await (const chunk of entry) {
        this.#bytes += chunk.length;
        writeAll(descriptor, chunk);
      }
      setMode(descriptor, mode);
    } finally {
      closeSync(descriptor);
    }
  }

  #symlink(components: readonly string[], { linkname, pax }: Header): void {
    const target = Buffer.from(bytesOf(linkname ?? '', pax?.linkpath), 'latin1');
    checkLinkTarget(shownName(components.join('/')), target);
    this.#deferLink(components, target);
  }

  #deferLink(components: readonly string[], target: Buffer): void {
    this.#linkBytes += target.length;
    if (this.#linkBytes > MAX_LINK_BYTES) {
      throw new ArchiveTooLargeError(
        `the targets of its links are longer than ${MAX_LINK_BYTES} bytes together`,
      );
    }
    this.#links.set(this.#add(components, 'link', 0), { path: this.#path(components), target });
  }

  /** A second name of a file or link that came before in the archive. */
  #hardLink(components: readonly string[], { linkname, pax }: Header): void {
    const targetName = bytesOf(linkname ?? '', pax?.linkpath);
    const target = entryComponents(targetName, shownName);
    const node = this.#tree.at(target);
    if (components.length === 0 || node === undefined || node.kind === 'folder') {
      const shown = shownName(components.join('/'));
      throw new UnsafeEntryError(
        `the entry ${shown} is a hard link to ${shownName(targetName)}, which is no file that came before it`,
      );
    }
    if (node.kind === 'link') {
      this.#deferLink(components, (this.#links.get(node) as { target: Buffer }).target);
      return;
    }
    const added = this.#add(components, 'file', 0);
    if (added === node) return;
    const path = this.#path(components);
    if (added.isCreated) rmSync(path);
    added.isCreated = true;
    linkOrCopy(this.#path(target), path);
  }

  #ensureFolders(components: readonly string[]): void {
    let node: EntryNode | undefined = this.#tree.root;
    for (let depth = 0; depth < components.length; depth++) {
      node = node?.children?.get(components[depth] as string);
      if (node === undefined || node.isCreated) continue;
      mkdirSync(this.#path(components.slice(0, depth + 1)));
      node.isCreated = true;
    }
  }

  #path(components: readonly string[]): Buffer {
    return Buffer.concat([this.#root, Buffer.from(`/${components.join('/')}`, 'latin1')]);
  }
}

function linkOrCopy(from: Buffer, to: Buffer): void {
  try {
    linkSync(from, to);
  } catch {
    // A file system without hard links, or with no room for another name of that file.
    copyFileSync(from, to);
  }
}

function kindOf({ type, pax }: Header, name: string): EntryKind {
  if (pax !== null && Object.keys(pax).some((key) => key.startsWith(SPARSE))) {
    throw sparseFileError(bytesOf(name, pax[`${SPARSE}name`]));
  }
  // GNU's own types have no name in tar-stream; the one that tar makes of ordinary files is the sparse file.
  if (type === null) throw sparseFileError(name);
  const kind = KINDS[type];
  if (kind !== undefined) return kind;
  throw new UnsafeEntryError(`the entry ${shownName(name)} is neither a file nor a folder nor a link`);
}

function sparseFileError(name: string): UnsafeEntryError {
  return new UnsafeEntryError(
    `the entry ${shownName(name)} is of a type that is not unpacked, such as a sparse file: pack it without tar's option -S`,
  );
}

/**
 * The bytes of a name, as Latin-1: those of a POSIX record come as UTF-8 text, all others as Latin-1 already.
 *
 * @throws InvalidArchiveError where the text has lost bytes
 */
function bytesOf(name: string, fromRecord: string | undefined): string {
  if (fromRecord === undefined || fromRecord === '') return name;
  if (fromRecord.includes('\ufffd')) {
    throw new InvalidArchiveError(
      `the name ${JSON.stringify(fromRecord)} in a POSIX record of it is not UTF-8`,
    );
  }
  return Buffer.from(fromRecord).toString('latin1');
}

function shownName(name: string): string {
  return JSON.stringify(Buffer.from(name, 'latin1').toString('utf8'));
}

/** Why not even a first entry can be read. */
function noTar(error: unknown): unknown {
  const isOfTar =
    error instanceof Error && /^(Invalid tar header|Unexpected end of data)/.test(error.message);
  return isOfTar
    ? new InvalidArchiveError('what its gzip file holds is no tar archive')
    : toArchiveError(error);
}

function toArchiveError(error: unknown): unknown {
  const known =
    error instanceof InvalidArchiveError ||
    error instanceof UnsafeEntryError ||
    error instanceof ArchiveTooLargeError;
  // What zlib and the tar reader complain about is the archive; a failed system call is not.
  if (known || (error as NodeJS.ErrnoException).syscall !== undefined) return error;
  return new InvalidArchiveError(messageOf(error));
}
