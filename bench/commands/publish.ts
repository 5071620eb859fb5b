import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { embedReport } from '../report/embed.js';
import { readmePicture } from '../report/picture.js';
import { readReport } from '../report/read.js';
import { slimJson } from '../report/slim.js';
import { writeWhole } from '../report/write.js';
import { type CommandIo, onlyOperand, runCommand, UsageError } from './command.js';

/** Where the dated runs of this project are kept. */
export const RESULTS = 'bench/results';
const CONNECTIONS = 32;

const USAGE = `Puts a whole run where it is published: into the history, the docs and the README's picture.

usage: hyperskeleton bench publish <report.json> [options]
  --results FOLDER   gets YYYY-MM-DD.json, small enough to be kept (default ${RESULTS})
  --docs FILE        has its results between <!-- results --> and <!-- /results --> replaced (default docs/guides/benchmarking.md)
  --picture FILE     is written anew (default docs/images/bench.svg)
`;

/** `hyperskeleton bench publish`: exit code 0, or 2 where the file is no whole run or a place is missing. */
export function run(argv: readonly string[], io: CommandIo): Promise<number> {
  return runCommand(argv, io, USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        results: { type: 'string', default: RESULTS },
        docs: { type: 'string', default: 'docs/guides/benchmarking.md' },
        picture: { type: 'string', default: 'docs/images/bench.svg' },
      },
    });
    const path = onlyOperand(positionals, 'report.json');
    const report = await readReport(path);
    if (report.interrupted) throw new UsageError(`${path} was interrupted: it is no whole run`);
    // All of it is made before any of it is written.
    const files: [string, string][] = [
      [join(values.results, `${report.startedAt.slice(0, 10)}.json`), slimJson(report)],
      [values.docs, embedReport(await readFile(values.docs, 'utf8'), report, values.docs)],
      [values.picture, readmePicture(report, { connections: CONNECTIONS })],
    ];
    for (const [file, text] of files) {
      await writeWhole(file, text);
      io.stdout.write(`${file}\n`);
    }
    return 0;
  });
}
