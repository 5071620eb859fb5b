import { mkdirSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A folder for PATH with a copy of Node: this process runs the original, and what two processes map of one
 * file counts half in the PSS of each. In a container nobody shares it with the server.
 */
export async function privateNode(folder: string): Promise<string> {
  const bin = join(folder, 'bin');
  if (mkdirSync(bin, { recursive: true }) !== undefined) await copyFile(process.execPath, join(bin, 'node'));
  return bin;
}
