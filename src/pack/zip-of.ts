import { lstatSync, readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type IsIgnored, ignoredIn } from './ignored-names.js';

/** The earliest time that a zip can have: archives of one content are one, whenever they are made. */
const TIME = new Date(1980, 0, 1);
const LINK = 0o120000;
const FILE = 0o100000;
const FOLDER = 0o040000;

interface PackedEntry {
  readonly name: string;
  /** File type and permission bits as in a struct stat. */
  readonly mode: number;
  readonly content: Buffer;
}

/** An action as it is uploaded. */
export interface PackedAction {
  readonly zip: Buffer;
  /** Files and links of it; undefined of a zip that was there. */
  readonly names: readonly string[] | undefined;
  /** What of the folder was left out: ignored-names.ts. */
  readonly leftOut: readonly string[];
}

/** As {@link packAction}, the zip alone. */
export async function zipOf(path: string): Promise<Buffer> {
  return (await packAction(path)).zip;
}

/**
 * The zip that an action is uploaded as: a folder's content, a zip as it is, or one executable file as `exec`.
 * Modes and symbolic links are kept; one content makes one archive, byte for byte.
 *
 * @throws Error naming what can't be packed
 */
export async function packAction(path: string): Promise<PackedAction> {
  const stats = statSync(path);
  if (stats.isDirectory()) {
    const leftOut: string[] = [];
    const entries = entriesOf(path, '', { isIgnored: ignoredIn(path), leftOut });
    const names = entries.map(({ name }) => name).filter((name) => !name.endsWith('/'));
    return { zip: await pack(entries), names, leftOut };
  }
  const content = readFileSync(path);
  if (content.toString('latin1', 0, 4) === 'PK\x03\x04')
    return { zip: content, names: undefined, leftOut: [] };
  const zip = await pack([{ name: 'exec', mode: FILE | 0o755, content }]);
  return { zip, names: ['exec'], leftOut: [] };
}

/** What an action at this path would be called: the name without folders and extension. */
export function nameOf(path: string): string {
  return basename(path).replace(/\.[^.]+$/, '') || 'action';
}

async function pack(entries: readonly PackedEntry[]): Promise<Buffer> {
  const { default: Zip } = await import('adm-zip');
  const zip = new Zip({ noSort: true } as object);
  for (const { name, mode, content } of entries) {
    const entry = zip.addFile(name, content, '', mode);
    entry.attr = ((mode << 16) | (name.endsWith('/') ? 0x10 : 0)) >>> 0;
    entry.header.time = TIME;
  }
  return zip.toBuffer();
}

interface Selection {
  readonly isIgnored: IsIgnored;
  /** Gets what is left out. */
  readonly leftOut: string[];
}

function entriesOf(folder: string, prefix: string, selection: Selection): PackedEntry[] {
  return readdirSync(folder)
    .sort()
    .flatMap((name) => {
      const path = join(folder, name);
      const shown = `${prefix}${name}`;
      const stats = lstatSync(path);
      if (selection.isIgnored(shown, stats.isDirectory())) {
        selection.leftOut.push(shown);
        return [];
      }
      if (stats.isSymbolicLink()) {
        return [{ name: shown, mode: LINK | 0o777, content: Buffer.from(readlinkSync(path)) }];
      }
      const permissions = stats.mode & 0o777;
      if (stats.isDirectory()) {
        const own = { name: `${shown}/`, mode: FOLDER | permissions, content: Buffer.alloc(0) };
        return [own, ...entriesOf(path, `${shown}/`, selection)];
      }
      if (!stats.isFile()) throw new Error(`${path} is neither a file nor a folder nor a link`);
      return [{ name: shown, mode: FILE | permissions, content: readFileSync(path) }];
    });
}
