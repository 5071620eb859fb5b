import { readFileSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { ALL_CASES } from './cases/index.js';
import { type Options, readOptions, USAGE, UsageError } from './options.js';
import { markdownOf } from './report/markdown.js';
import type { RunReport } from './report/result.js';
import { tableLine, tableOf } from './report/table.js';
import { runCases } from './runner.js';
import { SerialCases, type Target } from './target/serial-cases.js';
import { endEverything } from './target/started-server.js';

async function main(args: readonly string[]): Promise<number> {
  const options = readOptions(args);
  if (options.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (options.target === undefined) {
    const reports = options.from.map((path) => JSON.parse(readFileSync(path, 'utf8')) as RunReport);
    writeFileSync(options.markdown as string, markdownOf(reports));
    return 0;
  }
  const report = await run(options, options.target);
  process.stdout.write(tableOf(report));
  if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  if (options.markdown !== undefined) writeFileSync(options.markdown, markdownOf([report]));
  return report.cases.some(({ result }) => result === 'failed') ? 1 : 0;
}

async function run(options: Options, target: Target): Promise<RunReport> {
  const { protocol, only, timeoutMs } = options;
  const cases = ALL_CASES.filter(
    (one) =>
      one.protocol === protocol && (only.length === 0 || only.some((rule) => one.rule.startsWith(rule))),
  );
  if (cases.length === 0) throw new UsageError(`no case of ${protocol} has a rule that begins so`);
  await reach(target);
  const startedAt = new Date().toISOString();
  // Progress is for somebody who watches; the table on stdout is in the order of the rules.
  const onResult = process.stderr.isTTY ? { onResult: progress } : {};
  const results = await runCases(cases, { target, timeoutMs, ...onResult });
  return {
    target: options.name,
    protocol,
    startedAt,
    versions: { ...options.versions, suite: suiteVersion(), node: process.versions.node, linux: release() },
    cases: results,
  };
}

/** Rather one clear word now than every case failing for the same reason. */
async function reach(target: Target): Promise<void> {
  const series = new SerialCases(target);
  try {
    const server = await series.server(false);
    (await server.connect()).close();
  } catch (error) {
    throw new UsageError(`the target can't be reached: ${error instanceof Error ? error.message : error}`);
  } finally {
    await series.end();
  }
}

function progress(result: Parameters<typeof tableLine>[0]): void {
  process.stderr.write(`${tableLine(result)}\n`);
}

function suiteVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(name, () => {
    endEverything();
    process.exit(1);
  });
}

try {
  const status = await main(process.argv.slice(2));
  // Requests that a server has never answered would keep the process.
  process.exit(status);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
