import { readFile } from 'node:fs/promises';
import { median } from '../measure/statistics.js';
import { initBody } from '../support/archive.js';
import { disturbanceNote, undisturbedRounds } from '../support/disturbance.js';
import { sendOk } from '../support/http.js';
import { closedLoop } from '../support/load.js';
import { BenchServer } from '../support/server.js';
import { type LoopReport, runSpawnLoop } from '../support/spawn-loop.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

const CONNECTIONS = 32;
const THREADS = [1, 2, 4, 8] as const;
const TARGET_RATIO = 1;
/** How often each number of threads is tried before the rounds. */
const TRIALS = 2;

/** The whole path's rate against the rate at which the machine can start the same program at all. */
export const rateGoal: Goal = {
  key: 'rate',
  async measure(setting: Setting): Promise<Finding[]> {
    const { programs, folder, rounds, seconds } = setting;
    const server = await BenchServer.start({ folder });
    try {
      await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.hello) }));
      const load = { port: server.port, connections: CONNECTIONS, expected: HELLO };
      await closedLoop({ ...load, seconds: 1 });
      const trials = await tryThreads(setting);
      const threads = trials.reduce((best, trial) =>
        trial.ratePerSecond > best.ratePerSecond ? trial : best,
      ).threads;
      const measured = await undisturbedRounds(rounds, [server.pid], async () => ({
        loop: await runSpawnLoop(programs, threads, seconds),
        server: await closedLoop({ ...load, seconds }),
      }));
      const values = measured.map((round) => round.value);
      const ratio = median(values.map((round) => round.server.ratePerSecond / round.loop.ratePerSecond));
      const rate = median(values.map((round) => round.server.ratePerSecond));
      const loopRate = median(values.map((round) => round.loop.ratePerSecond));
      return [
        {
          goal: `rate of /run, ${CONNECTIONS} connections, to the spawn loop's`,
          measured: `${ratio.toFixed(3)}: ${rate.toFixed(0)}/s to ${loopRate.toFixed(0)}/s with ${threads} threads${disturbanceNote(measured)}`,
          target: `≥ ${TARGET_RATIO}`,
          pass: ratio >= TARGET_RATIO,
          numbers: { ratio, trials, rounds: measured },
        },
      ];
    } finally {
      await server.stop();
    }
  },
};

/** Runs the loop with each number of threads: it is to be measured at its best, and one trial may be unlucky. */
async function tryThreads({ programs, seconds }: Setting): Promise<LoopReport[]> {
  const trials: LoopReport[] = [];
  for (const threads of THREADS) {
    const measured = await undisturbedRounds(TRIALS, [], () =>
      runSpawnLoop(programs, threads, seconds / TRIALS),
    );
    const reports = measured.map((round) => round.value);
    trials.push(reports.reduce((best, one) => (one.ratePerSecond > best.ratePerSecond ? one : best)));
  }
  return trials;
}
