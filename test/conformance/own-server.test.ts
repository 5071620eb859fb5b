import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROTOCOLS, type Protocol } from '../../conformance/case.js';
import type { RunReport } from '../../conformance/report/result.js';
import { engineLog, startsIn } from '../support/engine-log.js';
import { logFile } from '../support/log-file.js';
import { ENGINES, type FrontEndName } from '../support/run-server.js';
import { runSuite } from './run-suite.js';

const START = 'exec bin/hyperskeleton serve --port {port} --action-root {actionRoot} --engine';
const SUITE_TIMEOUT_MS = 300_000;

interface Run {
  readonly protocol: Protocol;
  readonly engine: string;
  readonly http: FrontEndName;
}

/** Enough for each change; `HYPERSKELETON_CONFORMANCE=all` is every protocol with every engine (docs/reference/conformance.md). */
const USUAL: readonly Run[] = [
  { protocol: 'classic', engine: 'forkserver', http: 'uws' },
  { protocol: 'classic', engine: 'posix_spawn', http: 'node' },
  { protocol: 'knative', engine: 'auto', http: 'uws' },
  { protocol: 'actionloop', engine: 'auto', http: 'uws' },
];
const ALL: readonly Run[] = PROTOCOLS.flatMap((protocol) => [
  ...ENGINES.map((engine): Run => ({ protocol, engine, http: 'uws' })),
  { protocol, engine: 'auto', http: 'node' },
]);
const RUNS = process.env.HYPERSKELETON_CONFORMANCE === 'all' ? ALL : USUAL;
/** Where the reports are written to, for the page on them. */
const RESULTS = process.env.HYPERSKELETON_CONFORMANCE_RESULTS;

/** What Node's own engine is known not to keep (docs/internals/engines.md). The suite passes on a descriptor, so that it shows. */
const KNOWN: Partial<Readonly<Record<Protocol, readonly string[]>>> = {
  classic: ['C-RUN-14 no descriptor beyond 0 to 2 is inherited'],
  actionloop: ['C-AL-06 stdin and descriptor 3 are pipes'],
};
/** Of so many runs nearly all have short enough strings to be cloned; a machine that is too busy may make a few more. */
const MIN_CLONES = 0.95;

describe.each(RUNS)('the server by the conformance suite ($protocol, $engine, $http)', (run) => {
  const { protocol, engine, http } = run;

  it('keeps every rule, and the engine is the one that was asked for', {
    timeout: SUITE_TIMEOUT_MS,
  }, async () => {
    const log = logFile();
    const env = Object.entries({ HYPERSKELETON_PROTOCOL: speaks(protocol), ...engineLog(log) });
    const { status, stdout, report } = await runSuite(
      [
        ...[
          '--start',
          `${START} ${engine} --http ${http}`,
          '--protocol',
          protocol,
          '--name',
          `Hyperskeleton, ${engine}`,
        ],
        ...env.flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      ],
      { inherits: true },
    );
    const known = engine === 'child_process' ? (KNOWN[protocol] ?? []) : [];
    expect(namesOf(report, 'failed'), reasonsIn(report) ?? stdout.slice(-3000)).toEqual(known);
    expect(namesOf(report, 'skipped')).toEqual([]);
    expect(status).toBe(known.length > 0 ? 1 : 0);
    const starts = startsIn(log);
    if (protocol !== 'actionloop') expectEngine(engine, starts);
    if (RESULTS !== undefined && http === 'uws') write(RESULTS, report as RunReport, engine, starts);
  });
});

function speaks(protocol: Protocol): string {
  return protocol === 'actionloop' ? 'actionloop' : 'classic';
}

function namesOf(report: RunReport | undefined, outcome: 'failed' | 'skipped'): string[] | undefined {
  return report?.cases
    .filter(({ result }) => result === outcome)
    .map(({ rule, title }) => `${rule} ${title}`);
}

/** Why cases failed, on one line. */
function reasonsIn(report: RunReport | undefined): string | undefined {
  const failed = report?.cases.filter(({ result }) => result === 'failed');
  return failed?.map(({ rule, reason = '' }) => `${rule}: ${reason.replaceAll('\n', ' ')}`).join('; ');
}

/** `auto` begins with posix_spawn; whoever was asked for by name does it all, but for what can't be cloned. */
function expectEngine(engine: string, starts: Record<string, number>): void {
  const { 'posix_spawn: too_large': tooLarge = 0, ...others } = starts;
  const total = Object.values(others).reduce((sum, count) => sum + count, 0);
  if (engine === 'auto') expect(others.forkserver, JSON.stringify(starts)).toBeGreaterThan(0);
  else if (engine === 'forkserver')
    expect(others.forkserver, JSON.stringify(starts)).toBeGreaterThan(MIN_CLONES * total);
  else expect({ tooLarge, ...others }).toEqual({ tooLarge: 0, [engine]: total });
  expect(total).toBeGreaterThan(0);
}

/** For `npm run docs:conformance`; numbered, so that the columns have an order. */
function write(folder: string, report: RunReport, engine: string, starts: Record<string, number>): void {
  const place = 1 + ENGINES.indexOf(engine as (typeof ENGINES)[number]);
  const clones = starts.forkserver;
  const total = Object.values(starts).reduce((sum, count) => sum + count, 0);
  const versions = {
    ...report.versions,
    ...(clones !== undefined && { clones: `${clones} of ${total} processes` }),
  };
  const path = join(folder, `${report.protocol}-${place}-${engine}.json`);
  writeFileSync(path, `${JSON.stringify({ ...report, versions }, null, 2)}\n`);
}
