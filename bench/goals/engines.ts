import { readFile } from 'node:fs/promises';
import { median } from '../measure/statistics.js';
import { initBody } from '../support/archive.js';
import { disturbanceNote, undisturbedRounds } from '../support/disturbance.js';
import { sendOk } from '../support/http.js';
import { closedLoop, type LoadReport } from '../support/load.js';
import type { Programs } from '../support/programs.js';
import { BenchServer } from '../support/server.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

const CONNECTIONS = 32;
const MIN_RATE_RATIO = 1.8;
const MAX_P50_RATIO = 0.55;
const SCRIPT = `#!/bin/sh\nread -r line\necho '${HELLO}'\n`;

const ACTIONS: Readonly<Record<string, (programs: Programs) => Promise<Buffer>>> = {
  'static C': ({ hello }) => readFile(hello),
  'dynamic C': ({ helloDynamic }) => readFile(helloDynamic),
  sh: () => Promise.resolve(Buffer.from(SCRIPT)),
};

/** What the server takes by itself against our own posix_spawn, through the whole path, in turns. */
export const enginesGoal: Goal = {
  key: 'engines',
  async measure(setting: Setting): Promise<Finding[]> {
    const findings: Finding[] = [];
    for (const name of Object.keys(ACTIONS)) findings.push(...(await compare(name, setting)));
    return findings;
  },
};

async function compare(name: string, { programs, folder, rounds, seconds }: Setting): Promise<Finding[]> {
  const exec = await (ACTIONS[name] as (programs: Programs) => Promise<Buffer>)(programs);
  const servers: BenchServer[] = [];
  try {
    for (const engine of ['posix_spawn', 'auto']) {
      const server = await BenchServer.start({ folder, engine });
      servers.push(server);
      await sendOk(server.port, 'POST', '/init', initBody({ exec }));
      await closedLoop({ port: server.port, connections: CONNECTIONS, expected: HELLO, seconds: 1 });
    }
    const [spawning, cloning] = servers as [BenchServer, BenchServer];
    const measure = async (connections: number) => {
      const load = async ({ port }: BenchServer): Promise<LoadReport> =>
        closedLoop({ port, connections, expected: HELLO, seconds });
      const pids = servers.map(({ pid }) => pid);
      return undisturbedRounds(rounds, pids, async () => ({
        spawn: await load(spawning),
        clone: await load(cloning),
      }));
    };
    const many = await measure(CONNECTIONS);
    const one = await measure(1);
    const rateRatio = median(many.map(({ value }) => value.clone.ratePerSecond / value.spawn.ratePerSecond));
    const p50Ratio = median(one.map(({ value }) => value.clone.p50Us / value.spawn.p50Us));
    const rate = (of: 'spawn' | 'clone'): string =>
      median(many.map(({ value }) => value[of].ratePerSecond)).toFixed(0);
    const p50 = (of: 'spawn' | 'clone'): string => median(one.map(({ value }) => value[of].p50Us)).toFixed(0);
    return [
      {
        goal: `rate of ${name}, ${CONNECTIONS} connections, to posix_spawn's`,
        measured: `${rateRatio.toFixed(2)}×: ${rate('clone')}/s to ${rate('spawn')}/s${disturbanceNote(many)}`,
        target: `≥ ${MIN_RATE_RATIO}×`,
        pass: rateRatio >= MIN_RATE_RATIO,
        numbers: { rateRatio, rounds: many },
      },
      {
        goal: `p50 of ${name}, 1 connection, to posix_spawn's`,
        measured: `${p50Ratio.toFixed(2)}×: ${p50('clone')} µs to ${p50('spawn')} µs${disturbanceNote(one)}`,
        target: `≤ ${MAX_P50_RATIO}×`,
        pass: p50Ratio <= MAX_P50_RATIO,
        numbers: { p50Ratio, rounds: one },
      },
    ];
  } finally {
    for (const server of servers) await server.stop();
  }
}
