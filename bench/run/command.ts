import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { messageOf } from '../../src/protocol/message-of.js';
import type { BenchReport } from '../report/schema.js';
import { reportSchema } from '../report/schema.js';
import { writeReports } from '../report/write.js';
import { SCENARIOS } from '../scenarios/index.js';
import { abortOnSignals, STOPPED_BY_SIGNAL } from '../support/cleanup.js';
import { table } from '../support/table.js';
import { TARGETS } from '../targets/index.js';
import { type RunOptions, readOptions, usage } from './options.js';
import { runBench } from './run.js';
import { summaryText } from './summary-text.js';

const USAGE_STATUS = 2;

/** `hyperskeleton bench run`: measures, prints, writes the reports; answers the exit status. */
export async function runCommand(argv: readonly string[]): Promise<number> {
  let request: ReturnType<typeof readOptions>;
  try {
    request = readOptions(argv);
  } catch (error) {
    process.stderr.write(`hyperskeleton bench: ${messageOf(error)}\n`);
    process.stderr.write('hyperskeleton bench --help tells what can be asked for.\n');
    return USAGE_STATUS;
  }
  if ('show' in request) {
    process.stdout.write(request.show === 'help' ? usage() : await listText());
    return 0;
  }
  try {
    return await measureAndWrite(request);
  } catch (error) {
    process.stderr.write(`hyperskeleton bench: ${messageOf(error)}\n`);
    return 1;
  }
}

async function measureAndWrite(options: RunOptions): Promise<number> {
  const report = await checked(await runBench(options, abortOnSignals()), options.out);
  process.stdout.write(`${summaryText(report)}\n\n`);
  const paths = await writeReports(report, options.formats, options.out);
  for (const path of paths) process.stdout.write(`${path}\n`);
  if (report.interrupted) return STOPPED_BY_SIGNAL;
  return hasOwnFailure(options, report) ? 1 : 0;
}

/**
 * What is written must be what the schema says, whatever was measured.
 *
 * @throws Error when it isn't, a fault of the harness; the numbers are kept in a file for whoever looks into it
 */
async function checked(report: BenchReport, out: string): Promise<BenchReport> {
  const result = reportSchema.safeParse(report);
  if (result.success) return result.data;
  const path = join(out, 'not-a-report.json');
  await mkdir(out, { recursive: true });
  await writeFile(path, JSON.stringify(report));
  throw new Error(
    `the report is not what its schema says; what was measured is in ${path}: ${result.error.message}`,
  );
}

function hasOwnFailure({ targets }: RunOptions, { cells }: BenchReport): boolean {
  const own = new Set(targets.filter(({ peer }) => !peer).map(({ id }) => id));
  return cells.some(({ status, targetId }) => status === 'failed' && own.has(targetId));
}

async function listText(): Promise<string> {
  const rows: string[][] = [];
  for (const target of TARGETS) {
    const presence = await target.find();
    const here = presence.present
      ? `here${presence.version === undefined ? '' : `, ${presence.version}`}`
      : presence.reason;
    rows.push([target.id, target.title, here]);
  }
  const scenarios = SCENARIOS.map(({ id, title, profile }) => [id, title, profile]);
  return `${table(['target', '', ''], rows)}\n\n${table(['scenario', '', 'from'], scenarios)}\n`;
}
