import { lstatSync, statSync, writeFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { initBodyOf } from '../pack/init-body-of.js';
import { nameOf, zipOf } from '../pack/zip-of.js';
import { complain } from './flags.js';

/**
 * `hyperskeleton pack PATH -o FILE`: makes the zip of an action, or the body of the /init that uploads it.
 *
 * @returns the exit status: 0, 1 where it can't be packed, 2 for a command line that can't be understood
 */
export async function packCommand(argv: readonly string[]): Promise<number> {
  let output: string;
  let main: string;
  let path: string;
  try {
    const { values, positionals } = parseArgs({
      args: [...argv],
      options: { output: { type: 'string', short: 'o' }, main: { type: 'string', default: 'main' } },
      allowPositionals: true,
    });
    if (positionals.length !== 1) return complain(['pack takes one path: a folder, a zip or an executable']);
    path = positionals[0] as string;
    main = values.main;
    output = values.output ?? `${nameOf(path)}.zip`;
  } catch (error) {
    return complain([error instanceof Error ? error.message : String(error)]);
  }
  const kind = extname(output);
  if (kind !== '.zip' && kind !== '.json') return complain(['the output of pack is a .zip or a .json']);
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
    process.stderr.write(`hyperskeleton: ${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  }
}
