import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { readReport } from '../report/read.js';
import { trendPage } from '../report/trend.js';
import { writeWhole } from '../report/write.js';
import { type CommandIo, runCommand, UsageError } from './command.js';
import { RESULTS } from './publish.js';

const USAGE = `Draws how the numbers went from run to run.

usage: hyperskeleton bench trend [report.json …] [options]
  report.json …    the runs, in any order (default: ${RESULTS}/*.json)
  -o, --out FILE   where the HTML goes (default trend.html)
`;

/** `hyperskeleton bench trend`: exit code 0, or 2 where there are no runs or one is no report. */
export function run(argv: readonly string[], io: CommandIo): Promise<number> {
  return runCommand(argv, io, USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: { out: { type: 'string', short: 'o', default: 'trend.html' } },
    });
    const paths = positionals.length > 0 ? positionals : await storedResults();
    if (paths.length === 0) throw new UsageError(`there are no runs in ${RESULTS}/`);
    await writeWhole(values.out, trendPage(await Promise.all(paths.map(readReport))));
    io.stdout.write(`${values.out}\n`);
    return 0;
  });
}

async function storedResults(): Promise<string[]> {
  const names = await readdir(RESULTS).catch(() => []);
  return names.filter((name) => name.endsWith('.json')).map((name) => join(RESULTS, name));
}
