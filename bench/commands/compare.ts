import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compareReports } from '../report/compare.js';
import { comparisonText } from '../report/compare-words.js';
import {
  comparisonAsHtml,
  comparisonAsJson,
  comparisonAsMarkdown,
  comparisonAsText,
} from '../report/compare-write.js';
import { readReport } from '../report/read.js';
import { writeWhole } from '../report/write.js';
import { type CommandIo, readList, runCommand, UsageError } from './command.js';

const USAGE = `Says what changed between two runs, and whether that is more than noise.

usage: hyperskeleton bench compare <old.json> <new.json> [options]
  --threshold SHARE   how much worse a number may get, as 5% or 0.05 (default 5%)
  --confidence SHARE  of the intervals, as 95% or 0.95 (default 95%)
  --targets IDS       the targets by which the run fails, separated by commas (default: all but limits)
  --json              prints all numbers as JSON
  --report KINDS      writes compare.md, compare.html too: md, html, separated by commas
  -o, --out FOLDER    where those go (default: here)

Exit code: 1 where a number got worse by more than the threshold and its interval leaves no change out, or where what
gave right answers failed; 0 where none did; 2 where a file or an option is wrong.
`;

/** `hyperskeleton bench compare`: fit for CI by its exit code. */
export function run(argv: readonly string[], io: CommandIo): Promise<number> {
  return runCommand(argv, io, USAGE, async () => {
    const { values, positionals } = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        threshold: { type: 'string', default: '5%' },
        confidence: { type: 'string', default: '95%' },
        targets: { type: 'string' },
        json: { type: 'boolean', default: false },
        report: { type: 'string' },
        out: { type: 'string', short: 'o', default: '.' },
      },
    });
    const [older, newer, ...others] = positionals;
    if (older === undefined || newer === undefined || others.length > 0)
      throw new UsageError('two reports are needed: the old one and the new one');
    const threshold = readShare('--threshold', values.threshold);
    const confidence = readShare('--confidence', values.confidence);
    const kinds = values.report === undefined ? [] : readList('--report', values.report, ['md', 'html']);
    const [before, after] = [await readReport(older), await readReport(newer)];
    const comparison = compareReports(before, after, {
      threshold,
      confidence,
      targets: values.targets?.split(',').map((id) => id.trim()),
    });
    if (comparison.changes.length === 0 && !comparison.regression)
      throw new UsageError(`${older} and ${newer} have no measured cell in common`);
    const text = comparisonText(before, after, comparison);
    io.stdout.write(values.json ? comparisonAsJson(comparison) : comparisonAsText(text));
    for (const kind of kinds) {
      const path = join(values.out, `compare.${kind}`);
      await writeWhole(path, kind === 'md' ? comparisonAsMarkdown(text) : comparisonAsHtml(text));
      io.stderr.write(`${path}\n`);
    }
    return comparison.regression ? 1 : 0;
  });
}

/** `5%` or `0.05`; below 1. */
function readShare(option: string, text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(%?)$/.exec(text.trim());
  const share = match === null ? Number.NaN : Number(match[1]) / (match[2] === '%' ? 100 : 1);
  if (!(share > 0 && share < 1))
    throw new UsageError(`${option}: ${text} is no share between 0 and 1, such as 5% or 0.05`);
  return share;
}
