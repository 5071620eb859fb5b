import { closeSync, mkdirSync, openSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { default as AdmZip } from 'adm-zip';
import { setMode } from '../../os/file-mode.js';
import { writeAll } from '../../os/write-all.js';
import { messageOf } from '../../protocol/message-of.js';
import { decodeEntryName } from './entry-name.js';
import { checkLinkTarget, entryComponents, MAX_PATH_BYTES } from './entry-path.js';
import { type EntryKind, type EntryNode, EntryTree, tooManyEntries } from './entry-tree.js';
import { InvalidArchiveError, UnsafeEntryError } from './errors.js';
import { inflateEntry } from './inflate.js';
import { type ArchiveLimits, UnpackBudget } from './unpack-budget.js';
import { readZipDirectory, type ZipDirectory, type ZipEntry, zipEntries } from './zip-directory.js';

const TYPE_MASK = 0o170000;
const TYPE_LINK = 0o120000;
const TYPE_FOLDER = 0o040000;
const TYPE_FILE = 0o100000;
/** adm-zip takes some 10 KB for each entry that it knows, so it gets to know so many at a time. */
const BATCH_ENTRIES = 256;

/**
 * Unpacks a zip into an empty folder (C-INIT-06 to C-INIT-13): every entry is checked before anything is written,
 * modes and links are kept, nothing is written outside, through a link, or beyond the limits.
 *
 * @param zip is written to: adm-zip reads the archive a few entries at a time, by end records that are put there
 * @param check called before each entry; what it throws ends the unpacking
 * @returns how many bytes came out of it
 * @throws InvalidArchiveError, UnsafeEntryError, ArchiveTooLargeError, and file system errors; what has been written
 *   then is the
 *   caller's to remove
 */
export async function unpackZip(
  zip: Buffer,
  folder: string,
  limits: ArchiveLimits,
  check: () => void = () => {},
): Promise<number> {
  const directory = readZipDirectory(zip, limits.maxEntries);
  if (directory === undefined) throw tooManyEntries(limits.maxEntries);
  const { tree, links } = planOf(directory, limits.maxEntries);
  const unpacking = new Unpacking(folder, tree, new UnpackBudget(limits, directory.archive.length), check);
  await unpacking.write(directory, 'file');
  // Links come last, so that nothing is ever written through one.
  if (links > 0) await unpacking.write(directory, 'link');
  unpacking.finishFolders();
  return unpacking.bytes;
}

interface Plan {
  readonly tree: EntryTree;
  readonly links: number;
}

function planOf(directory: ZipDirectory, maxEntries: number): Plan {
  const tree = new EntryTree(maxEntries);
  let links = 0;
  for (const entry of zipEntries(directory)) {
    const { text, encoding } = decodeEntryName(entry);
    const components = entryComponents(text);
    const kind = kindOf(entry, text);
    if (kind === 'link') links++;
    if (components.length === 0) {
      if (kind === 'folder') continue;
      throw new UnsafeEntryError(`the entry ${JSON.stringify(text)} names the action folder`);
    }
    const mayBeFolder = kind === 'file' && entry.bytes === 0 && (entry.unixMode & TYPE_MASK) === 0;
    tree.add(components, { kind, index: entry.index, mode: entry.unixMode & 0o777, encoding, mayBeFolder });
  }
  return { tree, links };
}

function kindOf({ unixMode }: ZipEntry, name: string): EntryKind {
  const type = unixMode & TYPE_MASK;
  const shown = JSON.stringify(name);
  if (name.endsWith('/')) {
    if (type !== 0 && type !== TYPE_FOLDER) throw new UnsafeEntryError(`the entry ${shown} has two types`);
    return 'folder';
  }
  switch (type) {
    case TYPE_LINK:
      return 'link';
    case TYPE_FOLDER:
      return 'folder';
    case TYPE_FILE:
    case 0:
      return 'file';
    default:
      throw new UnsafeEntryError(`the entry ${shown} is neither a file nor a folder nor a link`);
  }
}

class Unpacking {
  readonly #folder: string;
  readonly #tree: EntryTree;
  readonly #budget: UnpackBudget;
  readonly #check: () => void;

  constructor(folder: string, tree: EntryTree, budget: UnpackBudget, check: () => void) {
    this.#folder = folder;
    this.#tree = tree;
    this.#budget = budget;
    this.#check = check;
  }

  get bytes(): number {
    return this.#budget.bytes;
  }

  /** Writes the entries that count and are of that kind, with the folders that they lie in. */
  async write(directory: ZipDirectory, kind: 'file' | 'link'): Promise<void> {
    const packedEntries = await admZipEntries(directory);
    for (const entry of zipEntries(directory)) {
      this.#check();
      const components = entryComponents(decodeEntryName(entry).text);
      const node = this.#tree.at(components);
      if (node === undefined) continue;
      if (node.kind === 'folder') this.#ensureFolders(components);
      if (node.kind !== kind || node.index !== entry.index) continue;
      this.#ensureFolders(components.slice(0, -1));
      const shown = JSON.stringify(components.join('/'));
      const path = join(this.#folder, ...components);
      const packed = packedEntries(entry);
      if (kind === 'link') await this.#link(entry, packed, shown, path);
      else await this.#file(entry, packed, shown, path);
    }
  }

  /** A folder without write permission could not be filled: folders get their modes last, inner ones first. */
  finishFolders(node: EntryNode = this.#tree.root, path: string = this.#folder): void {
    for (const [name, child] of node.children ?? []) {
      if (child.kind === 'folder') this.finishFolders(child, join(path, name));
    }
    if (node.index >= 0) setMode(path, (node.mode || 0o755) | 0o700);
  }

  async #file(entry: ZipEntry, packed: AdmZip.IZipEntry, shown: string, path: string): Promise<void> {
    const mode = entry.unixMode & 0o777 || 0o644;
    const descriptor = openSync(path, 'wx', mode);
    try {
      await inflateEntry(entry, packed, shown, this.#budget, (chunk) => writeAll(descriptor, chunk));
      setMode(descriptor, mode);
    } finally {
      closeSync(descriptor);
    }
  }

  async #link(entry: ZipEntry, packed: AdmZip.IZipEntry, shown: string, path: string): Promise<void> {
    if (entry.bytes > MAX_PATH_BYTES) throw new UnsafeEntryError(`the link ${shown} has no usable target`);
    const chunks: Buffer[] = [];
    await inflateEntry(entry, packed, shown, this.#budget, (chunk) => chunks.push(Buffer.from(chunk)));
    const target = Buffer.concat(chunks);
    checkLinkTarget(shown, target);
    symlinkSync(target, path);
  }

  #ensureFolders(components: readonly string[]): void {
    let node: EntryNode | undefined = this.#tree.root;
    let path = this.#folder;
    for (const component of components) {
      node = node?.children?.get(component);
      path = join(path, component);
      if (node === undefined || node.isCreated) continue;
      mkdirSync(path);
      node.isCreated = true;
    }
  }
}

/** What adm-zip has of an entry; asked in the order of the directory. */
async function admZipEntries(directory: ZipDirectory): Promise<(entry: ZipEntry) => AdmZip.IZipEntry> {
  const { default: Zip } = await import('adm-zip');
  let first = 0;
  let batch: AdmZip.IZipEntry[] = [];
  return (entry) => {
    if (batch.length === 0 || entry.index >= first + batch.length) {
      first = entry.index;
      batch = batchFrom(Zip, directory, entry);
    }
    const packed = batch[entry.index - first];
    const { offset, compressedSize, size } = packed?.header ?? { offset: -1, compressedSize: -1, size: -1 };
    const isSame = offset === entry.headerAt && compressedSize === entry.packedBytes && size === entry.bytes;
    if (packed === undefined || !isSame)
      throw new InvalidArchiveError('its directory can be read in two ways');
    return packed;
  };
}

const END = Buffer.from('PK\x05\x06', 'latin1');
const END_BYTES = 22;

/** Behind every directory there is room for an end record: there was one. */
function batchFrom(
  Zip: typeof AdmZip,
  { archive, to, entries }: ZipDirectory,
  { index, recordAt }: ZipEntry,
): AdmZip.IZipEntry[] {
  const count = Math.min(BATCH_ENTRIES, entries - index);
  const end = archive.subarray(to, to + END_BYTES);
  end.fill(0);
  END.copy(end);
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(to - recordAt, 12);
  end.writeUInt32LE(recordAt, 16);
  let names = 0;
  // adm-zip refuses an archive in which a name comes twice; what twice means is decided in the tree.
  const decoder = { efs: true, encode: (text: string) => Buffer.from(text), decode: () => String(names++) };
  try {
    return new Zip(archive.subarray(0, to + END_BYTES), { decoder } as object).getEntries();
  } catch (error) {
    throw new InvalidArchiveError(reasonOf(error));
  }
}

/** adm-zip's message in this server's voice: no prefix, no full stop. */
function reasonOf(error: unknown): string {
  const message = messageOf(error);
  return message.replace(/^ADM-ZIP:\s*/, '').replace(/\.$/, '');
}
