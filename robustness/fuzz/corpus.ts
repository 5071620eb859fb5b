import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../../bench/support/paths.js';

const FOLDER = join(PROJECT, 'test/fuzz/corpus');

/** One archive to start from. */
export interface Seed {
  readonly name: string;
  readonly kind: 'zip' | 'tar.gz';
  readonly bytes: Buffer;
}

/** The archives of test/fuzz/corpus, in the order of their names; make-corpus.ts has made them. */
export function readCorpus(): Seed[] {
  return readdirSync(FOLDER)
    .sort()
    .flatMap((name): Seed[] => {
      const kind = name.endsWith('.zip') ? 'zip' : name.endsWith('.tar.gz') ? 'tar.gz' : undefined;
      return kind === undefined ? [] : [{ name, kind, bytes: readFileSync(join(FOLDER, name)) }];
    });
}
