import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { coldStart } from './goals/cold-start.js';
import { concurrency } from './goals/concurrency.js';
import type { Finding, Goal } from './goals/goal.js';
import { init } from './goals/init.js';
import { memory } from './goals/memory.js';
import { throughput } from './goals/throughput.js';
import { buildPrograms } from './support/programs.js';

/** What the runtime promises of itself, by name; each is measured on fresh servers with default settings. */
const GOALS: Readonly<Record<string, Goal>> = {
  memory,
  throughput,
  concurrency,
  init,
  'cold-start': coldStart,
};

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '3' },
    json: { type: 'string' },
  },
});

/** Measures the goals and tells whether all were reached. */
async function main(): Promise<boolean> {
  const names = values.only?.split(',') ?? Object.keys(GOALS);
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-goals-'));
  const findings: Finding[] = [];
  try {
    const programs = buildPrograms(folder);
    process.stdout.write(`${machine()}\n\n`);
    for (const name of names) {
      const goal = GOALS[name];
      if (goal === undefined)
        throw new Error(`there is no goal ${name}; there are ${Object.keys(GOALS).join(', ')}`);
      for (const finding of await goal(programs, {
        rounds: Number(values.rounds),
        seconds: Number(values.seconds),
      })) {
        findings.push(finding);
        process.stdout.write(
          `${finding.reached ? 'reached' : 'MISSED '}  ${finding.measured.padStart(10)}  (${finding.target})  ${finding.what}\n`,
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  if (values.json !== undefined) {
    writeFileSync(values.json, `${JSON.stringify({ machine: machine(), findings }, undefined, 2)}\n`);
  }
  return findings.every(({ reached }) => reached);
}

function machine(): string {
  const [cpu] = cpus();
  const date = new Date().toISOString().slice(0, 10);
  return `${cpu?.model.trim() ?? 'unknown CPU'}, ${cpus().length} cores, Linux ${release()}, Node ${process.version}, ${date}`;
}

main().then(
  (reached) => {
    process.exitCode = reached ? 0 : 1;
  },
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 2;
  },
);
