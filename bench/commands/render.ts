import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { parseArgs } from 'node:util';
import { embedReport } from '../report/embed.js';
import { readReport } from '../report/read.js';
import { FORMATS, writeReports, writeWhole } from '../report/write.js';
import { type CommandIo, onlyOperand, readList, runCommand } from './command.js';

const USAGE = `Makes the reports of a run anew from its JSON.

usage: hyperskeleton bench render <report.json> [options]
  --report KINDS    of ${FORMATS.join(', ')}, separated by commas (default html,md,csv)
  -o, --out FOLDER  where they go (default: beside the JSON)
  --into FILE       puts the Markdown into that page instead, between <!-- results --> and <!-- /results -->
`;

/** `hyperskeleton bench render`: exit code 0, or 2 where the file is no report. */
export function run(argv: readonly string[], io: CommandIo): Promise<number> {
  return runCommand(argv, io, USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        report: { type: 'string', default: 'html,md,csv' },
        out: { type: 'string', short: 'o' },
        into: { type: 'string' },
      },
    });
    const path = onlyOperand(positionals, 'report.json');
    const { into } = values;
    if (into !== undefined) {
      const page = await readFile(into, 'utf8');
      await writeWhole(into, embedReport(page, await readReport(path), into));
      io.stdout.write(`${into}\n`);
      return 0;
    }
    const formats = readList('--report', values.report, FORMATS);
    const paths = await writeReports(await readReport(path), formats, values.out ?? dirname(path));
    io.stdout.write(paths.map((written) => `${written}\n`).join(''));
    return 0;
  });
}
