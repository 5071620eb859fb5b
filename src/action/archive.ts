import type { default as AdmZip } from 'adm-zip';
import { checkLinkTarget, entryComponents } from './entry-path.js';
import { type InflateBudget, inflateEntry } from './inflate.js';
import { ArchiveTooLarge, BadArchive, UnsafeEntry } from './refusals.js';

/** What an archive may hold (C-INIT-12). */
export interface ArchiveLimits {
  readonly maxUnzippedBytes: number;
  readonly maxEntries: number;
}

/** One entry that passed every check that needs no inflating. */
export interface PlannedEntry {
  readonly components: readonly string[];
  readonly kind: 'file' | 'folder' | 'link';
  /** Permission bits to set. */
  readonly mode: number;
  readonly entry: AdmZip.IZipEntry;
  /** Where a link points. */
  readonly target?: string;
}

const TYPE_MASK = 0o170000;
const TYPE_LINK = 0o120000;
const TYPE_FOLDER = 0o040000;
const TYPE_FILE = 0o100000;
const LONGEST_LINK_BYTES = 4095;

/**
 * Reads a zip's directory and checks every entry, before anything is written (C-INIT-06 to C-INIT-12).
 *
 * @throws BadArchive, UnsafeEntry, ArchiveTooLarge
 */
export async function planArchive(zip: Buffer, limits: ArchiveLimits): Promise<PlannedEntry[]> {
  const entries = await readEntries(zip);
  if (entries.length > limits.maxEntries) {
    throw new ArchiveTooLarge(`it has ${entries.length} entries, ${limits.maxEntries} are allowed`);
  }
  const planned: PlannedEntry[] = [];
  for (const entry of entries) {
    const plan = await planEntry(entry);
    if (plan.components.length > 0) planned.push(plan);
  }
  return withoutConflicts(planned);
}

async function readEntries(zip: Buffer): Promise<AdmZip.IZipEntry[]> {
  const { default: Zip } = await import('adm-zip');
  let names = 0;
  // adm-zip refuses an archive in which a name comes twice; names are taken from the raw bytes, and what twice
  // means is decided below.
  const decoder = { efs: true, encode: (text: string) => Buffer.from(text), decode: () => String(names++) };
  try {
    return new Zip(zip, { decoder } as object).getEntries();
  } catch (error) {
    throw new BadArchive(reasonOf(error));
  }
}

/** adm-zip's message in this server's voice: no prefix, no full stop. */
function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replace(/^ADM-ZIP:\s*/, '').replace(/\.$/, '');
}

async function planEntry(entry: AdmZip.IZipEntry): Promise<PlannedEntry> {
  const name = entry.rawEntryName.toString('utf8');
  const components = entryComponents(name);
  const attributes = entry.attr >>> 16;
  const type = attributes & TYPE_MASK;
  const permissions = attributes & 0o777;
  if (name.endsWith('/')) {
    if (type !== 0 && type !== TYPE_FOLDER)
      throw new UnsafeEntry(`the entry ${JSON.stringify(name)} has two types`);
    return { components, kind: 'folder', mode: permissions === 0 ? 0o755 : permissions, entry };
  }
  if (components.length === 0)
    throw new UnsafeEntry(`the entry ${JSON.stringify(name)} names the action folder`);
  if (type === TYPE_LINK) {
    const budget: InflateBudget = { remainingBytes: LONGEST_LINK_BYTES };
    let target = '';
    await inflateEntry(entry, budget, (chunk) => {
      target += chunk.toString('utf8');
    });
    checkLinkTarget(components, target);
    return { components, kind: 'link', mode: 0o777, entry, target };
  }
  if (type === TYPE_FOLDER) return { components, kind: 'folder', mode: permissions || 0o755, entry };
  if (type !== 0 && type !== TYPE_FILE) {
    throw new UnsafeEntry(`the entry ${JSON.stringify(name)} is neither a file nor a folder nor a link`);
  }
  return { components, kind: 'file', mode: permissions === 0 ? 0o644 : permissions, entry };
}

/**
 * Two entries of different kinds for one path, or one below a file or link, mean different things to different
 * readers and are refused; of two of a kind the last counts.
 */
function withoutConflicts(planned: readonly PlannedEntry[]): PlannedEntry[] {
  const byPath = new Map<string, PlannedEntry>();
  for (const plan of planned) {
    const path = plan.components.join('/');
    const before = byPath.get(path);
    if (before !== undefined && before.kind !== plan.kind) {
      throw new UnsafeEntry(`there are two entries for ${JSON.stringify(path)}`);
    }
    byPath.set(path, plan);
  }
  for (const { components } of planned) {
    for (let depth = 1; depth < components.length; depth++) {
      const parent = components.slice(0, depth).join('/');
      const kind = byPath.get(parent)?.kind;
      if (kind !== undefined && kind !== 'folder') {
        throw new UnsafeEntry(`the entry ${JSON.stringify(components.join('/'))} lies below a ${kind}`);
      }
    }
  }
  return [...byPath.values()];
}
