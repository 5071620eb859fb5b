import { readFileSync } from 'node:fs';

/** The launcher puts it into every environment that it starts a server with. */
const LAUNCHED = 'HYPERSKELETON_SOFT_OPEN_FILES=';
/** In front of entries that the launcher's shell would have changed. */
const KEPT = /^HYPERSKELETON_ENTRY_\d+=/;
/** Variables that a shell sets by itself. */
const ADDED = /^(PWD|OLDPWD|SHLVL|_)=/;
const NUL = Buffer.of(0);

/**
 * The environment that this process was started with, as the bytes they are, without what the launcher's shell has
 * done to it (bin/hyperskeleton).
 *
 * @returns entries `NAME=value`, each ended by NUL (proc(5), `/proc/[pid]/environ`)
 */
export function environmentBlock(): Buffer {
  return restored(readFileSync('/proc/self/environ'));
}

function restored(block: Buffer): Buffer {
  // Latin-1 has a character for each byte.
  const entries = block.toString('latin1').split('\0').slice(0, -1);
  if (!entries.some((entry) => entry.startsWith(LAUNCHED))) return block;
  const kept = entries.filter((entry) => KEPT.test(entry)).map((entry) => entry.replace(KEPT, ''));
  const names = new Set(kept.map(nameOf));
  const untouched = entries.filter((entry) => !ADDED.test(entry) && !names.has(nameOf(entry)));
  return Buffer.concat([...untouched, ...kept].flatMap((entry) => [Buffer.from(entry, 'latin1'), NUL]));
}

function nameOf(entry: string): string {
  return entry.slice(0, entry.indexOf('='));
}
