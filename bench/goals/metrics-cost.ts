import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { median, pairedRatio } from '../measure/statistics.js';
import { initBody } from '../support/archive.js';
import { disturbanceNote, undisturbedRounds } from '../support/disturbance.js';
import { sendOk } from '../support/http.js';
import { closedLoop, type LoadOptions, type LoadReport } from '../support/load.js';
import { BenchServer } from '../support/server.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

const CONNECTIONS = 32;
const TARGET_RATIO = 0.98;
const TARGET_SCRAPE_MS = 50;
/** Prometheus scrapes once in 15 seconds or a minute; this is often. */
const SCRAPE_EVERY_MS = 1000;
/** A hundredth is looked for where rounds differ by a twentieth: many short turns, for the machine changes slowly. */
const TURNS_PER_ROUND = 5;
const TURN_SECONDS = 1;

/** What one server, loaded in turns with the other, came to. */
interface Turns {
  readonly on: LoadReport;
  readonly off: LoadReport;
  readonly scrapesMs: readonly number[];
}

/** What it costs that everything is counted and scraped, and how long a scrape takes under load. */
export const metricsCostGoal: Goal = {
  key: 'metrics-cost',
  async measure(setting: Setting): Promise<Finding[]> {
    const servers: BenchServer[] = [];
    try {
      const on = await prepared(setting, 'on', servers);
      const off = await prepared(setting, 'off', servers);
      let turn = 0;
      const pids = servers.map(({ pid }) => pid);
      const rounds = setting.rounds * TURNS_PER_ROUND;
      const measured = await undisturbedRounds(rounds, pids, () => takeTurns(on, off, TURN_SECONDS, turn++));
      const values = measured.map((round) => round.value);
      const ratesOf = (which: 'on' | 'off'): number[] => values.map((round) => round[which].ratePerSecond);
      const { ratio, low, high, confidence } = pairedRatio(ratesOf('on'), ratesOf('off'));
      const rates = (['on', 'off'] as const).map((which) => median(ratesOf(which)).toFixed(0));
      const sure = `${low.toFixed(3)} to ${high.toFixed(3)} with ${Math.round(confidence * 100)} % confidence`;
      const scrapesMs = values.flatMap((round) => round.scrapesMs);
      const slowestMs = Math.max(...scrapesMs);
      return [
        {
          goal: `rate of /run with metrics on, ${CONNECTIONS} connections, to that with metrics off`,
          measured: `${ratio.toFixed(3)} (${sure}): ${rates[0]}/s to ${rates[1]}/s, ${rounds} turns${disturbanceNote(measured)}`,
          target: `≥ ${TARGET_RATIO}`,
          pass: ratio >= TARGET_RATIO,
          numbers: { ratio, low, high, rounds: measured },
        },
        {
          goal: 'slowest scrape of /metrics under that load',
          measured: `${slowestMs.toFixed(1)} ms, median ${median(scrapesMs).toFixed(1)} ms, of ${scrapesMs.length}${disturbanceNote(measured)}`,
          target: `≤ ${TARGET_SCRAPE_MS} ms`,
          pass: slowestMs <= TARGET_SCRAPE_MS,
          numbers: { scrapesMs },
        },
      ];
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
};

async function prepared(
  { programs, folder }: Setting,
  metrics: 'on' | 'off',
  servers: BenchServer[],
): Promise<LoadOptions> {
  const server = await BenchServer.start({ folder, env: { HYPERSKELETON_METRICS: metrics } });
  servers.push(server);
  await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.hello) }));
  const load = { port: server.port, connections: CONNECTIONS, expected: HELLO, seconds: 1 };
  await closedLoop(load);
  return load;
}

/** Loads one server after the other; who goes first changes, for a machine gets slower or faster meanwhile. */
async function takeTurns(on: LoadOptions, off: LoadOptions, seconds: number, turn: number): Promise<Turns> {
  const measureOn = (): Promise<{ on: LoadReport; scrapesMs: number[] }> => scraped({ ...on, seconds });
  const measureOff = (): Promise<LoadReport> => closedLoop({ ...off, seconds });
  if (turn % 2 === 0) {
    const first = await measureOn();
    return { ...first, off: await measureOff() };
  }
  const first = await measureOff();
  return { off: first, ...(await measureOn()) };
}

async function scraped(load: LoadOptions): Promise<{ on: LoadReport; scrapesMs: number[] }> {
  const scrapesMs: number[] = [];
  let over = false;
  const report = closedLoop(load).finally(() => {
    over = true;
  });
  while (!over) {
    await delay(SCRAPE_EVERY_MS / 2);
    const begunMs = performance.now();
    await sendOk(load.port, 'GET', '/metrics');
    scrapesMs.push(performance.now() - begunMs);
    await delay(SCRAPE_EVERY_MS / 2);
  }
  return { on: await report, scrapesMs };
}
