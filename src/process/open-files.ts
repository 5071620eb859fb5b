import { readFileSync } from 'node:fs';

/**
 * The limit on open files that actions get (D-06). Node raises its soft limit to the hard one before any
 * script runs, so the launcher passes on what it was; actions that close every descriptor up to the limit,
 * or use select(2), rely on it.
 *
 * @param softBefore the soft limit before Node's start, from the launcher; undefined when unknown
 * @returns soft and hard limit; undefined where they are the server's own
 */
export function openFilesOfActions(softBefore: string | undefined): readonly [bigint, bigint] | undefined {
  if (softBefore === undefined || !/^\d{1,18}$/.test(softBefore)) return undefined;
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith('Max open files'));
  const [soft, hard] = (line ?? '').slice('Max open files'.length).trim().split(/\s+/);
  if (soft === softBefore || hard === undefined || !/^\d+$/.test(hard)) return undefined;
  return [BigInt(softBefore), BigInt(hard)];
}
