import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where peers are looked for that no variable points to. */
function peersFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'hyperskeleton-bench');
}

/**
 * Where a peer's file is: where the variable says, else in the peers' folder.
 *
 * @returns its path, or why there is none
 */
export function peerFile(variable: string, name: string): { path: string } | { reason: string } {
  const told = process.env[variable];
  const path = told ?? join(peersFolder(), name);
  if (existsSync(path)) return { path };
  const where =
    told === undefined
      ? `${path} is not there and ${variable} is not set`
      : `${variable}=${told} is not there`;
  return { reason: `not installed: ${where} (bench/targets/PEERS.md says how to get it)` };
}
