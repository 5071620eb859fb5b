import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { messageOf } from '../src/protocol/message-of.js';
import { coldStartGoal } from './goals/cold-start.js';
import { enginesGoal } from './goals/engines.js';
import type { Finding, Goal, Setting } from './goals/goal.js';
import { idleMemoryGoal } from './goals/idle-memory.js';
import { largeInitGoal } from './goals/large-init.js';
import { latencyGoal } from './goals/latency.js';
import { leaksGoal } from './goals/leaks.js';
import { logFloodGoal } from './goals/log-flood.js';
import { metricsCostGoal } from './goals/metrics-cost.js';
import { rateGoal } from './goals/rate.js';
import { roundTripGoal } from './goals/round-trip.js';
import { sleepersGoal, thousandSleepersGoal } from './goals/sleepers.js';
import { soakGoal } from './goals/soak.js';
import { endOnSignals, temporaryFolder } from './support/cleanup.js';
import { readMachineInfo } from './support/machine.js';
import { buildPrograms } from './support/programs.js';
import { table } from './support/table.js';

const GOALS: readonly Goal[] = [
  rateGoal,
  latencyGoal,
  enginesGoal,
  sleepersGoal,
  thousandSleepersGoal,
  leaksGoal,
  largeInitGoal,
  idleMemoryGoal,
  roundTripGoal,
  logFloodGoal,
  coldStartGoal,
  metricsCostGoal,
  soakGoal,
];

const USAGE = `Shows, side by side, whether the runtime reaches what it must.

usage: npm run bench:goals -- [options]
  --only KEYS   only these goals, separated by commas: ${GOALS.map(({ key }) => key).join(', ')}
                (${GOALS.filter(({ onlyByName }) => onlyByName)
                  .map(({ key }) => key)
                  .join(', ')}: only if named, it takes minutes)
  --rounds N    rounds of load for rate and latency (default 5)
  --seconds S   how long a round lasts (default 3)
  --json FILE   writes all numbers to a file
  --peer CMD    a runtime to compare the cold start with; it gets its port as FLASK_PROXY_PORT
`;

interface Options {
  readonly goals: readonly Goal[];
  readonly rounds: number;
  readonly seconds: number;
  readonly json: string | undefined;
  readonly peer: string | undefined;
}

/** Reads the command line; undefined when the usage was asked for. */
function readOptions(argv: readonly string[]): Options | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      only: { type: 'string' },
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      json: { type: 'string' },
      peer: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const usual = GOALS.filter(({ onlyByName }) => !onlyByName).map(({ key }) => key);
  const keys = values.only?.split(',') ?? usual;
  const unknown = keys.filter((key) => !GOALS.some((goal) => goal.key === key));
  if (unknown.length > 0) throw new RangeError(`--only: there is no goal ${unknown.join(', ')}`);
  return {
    goals: GOALS.filter(({ key }) => keys.includes(key)),
    rounds: positive('--rounds', values.rounds, Number.isInteger),
    seconds: positive('--seconds', values.seconds, Number.isFinite),
    json: values.json,
    peer: values.peer,
  };
}

function positive(name: string, text: string, accepts: (value: number) => boolean): number {
  const value = Number(text);
  if (!accepts(value) || value <= 0) throw new RangeError(`${name}: ${text} is not a positive number`);
  return value;
}

/** Measures one goal after the other; one that can't be measured has failed and says why. */
async function measureAll(goals: readonly Goal[], setting: Setting): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const goal of goals) {
    process.stderr.write(`measuring ${goal.key} …\n`);
    try {
      findings.push(...(await goal.measure(setting)));
    } catch (error) {
      const measured = messageOf(error);
      findings.push({ goal: goal.key, measured, target: 'can be measured', pass: false, numbers: {} });
    }
  }
  return findings;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  endOnSignals();
  const folder = temporaryFolder();
  const { goals, rounds, seconds, json, peer } = options;
  const findings = await measureAll(goals, {
    programs: await buildPrograms(folder),
    folder,
    rounds,
    seconds,
    peer,
  });
  const machine = readMachineInfo();
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const rows = findings.map(({ goal, measured, target, pass }) => [
    goal,
    measured,
    target,
    pass ? 'pass' : 'FAIL',
  ]);
  process.stdout.write(`${table(['goal', 'measured', 'target', ''], rows)}\n\n${facts.join(' · ')}\n`);
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ machine, findings }, null, 2)}\n`);
  return findings.every(({ pass }) => pass) ? 0 : 1;
}

main().then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`${messageOf(error)}\n${USAGE}`);
    process.exit(2);
  },
);
