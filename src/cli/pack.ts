import { lstatSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { initBodyOf } from '../pack/init-body-of.js';
import { nameOf, zipOf } from '../pack/zip-of.js';
import { reportUsageErrors } from './command.js';

/** Its command line. */
interface PackLine {
  readonly positionals: readonly string[];
  readonly values: { readonly output: string | undefined; readonly main: string };
}

import { messageOf } from '../protocol/message-of.js';

/**
 * `hyperskeleton pack PATH -o FILE`: makes the zip of an action, or the body of the /init that uploads it.
 *
 * @returns the exit status: 0, 1 where it can't be packed, 2 for a command line that can't be understood
 */
export async function packCommand({ positionals, values }: PackLine): Promise<number> {
  const path = positionals[0] as string;
  const { main, output = `${nameOf(path)}.zip` } = values;
  const kind = extname(output);
  if (kind !== '.zip' && kind !== '.json')
    return reportUsageErrors(['the output of pack is a .zip or a .json']);
  try {
    if (
      statSync(path).isDirectory() &&
      lstatSync(join(path, 'exec'), { throwIfNoEntry: false }) === undefined
    ) {
      process.stderr.write(`hyperskeleton: ${path} has no exec: it needs an image that brings one\n`);
    }
    const zip = await zipOf(path);
    writeFileSync(output, kind === '.zip' ? zip : initBodyOf(zip, nameOf(path), main));
    return 0;
  } catch (error) {
    process.stderr.write(`hyperskeleton: ${messageOf(error)}\n`);
    return 1;
  }
}
