import { readFile } from 'node:fs/promises';
import { median } from '../measure/statistics.js';
import { initBody } from '../support/archive.js';
import { disturbanceNote, undisturbedRounds } from '../support/disturbance.js';
import { sendOk } from '../support/http.js';
import { closedLoop } from '../support/load.js';
import { BenchServer } from '../support/server.js';
import { runSpawnLoop } from '../support/spawn-loop.js';
import { type Finding, type Goal, HELLO, type Setting } from './goal.js';

const TARGET_RATIO = 2;

/** How long a single caller waits, against how long the start of the same program takes by itself. */
export const latencyGoal: Goal = {
  key: 'latency',
  async measure({ programs, folder, rounds, seconds }: Setting): Promise<Finding[]> {
    const server = await BenchServer.start({ folder });
    try {
      await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.hello) }));
      const load = { port: server.port, connections: 1, expected: HELLO };
      await closedLoop({ ...load, seconds: 1 });
      const measured = await undisturbedRounds(rounds, [server.pid], async () => ({
        loop: await runSpawnLoop(programs, 1, seconds),
        server: await closedLoop({ ...load, seconds }),
      }));
      const values = measured.map((round) => round.value);
      const ratio = median(values.map((round) => round.server.p50Us / round.loop.p50Us));
      const p50Us = median(values.map((round) => round.server.p50Us));
      const loopP50Us = median(values.map((round) => round.loop.p50Us));
      return [
        {
          goal: "p50 of /run, 1 connection, to the spawn loop's",
          measured: `${ratio.toFixed(2)}×: ${p50Us.toFixed(0)} µs to ${loopP50Us.toFixed(0)} µs${disturbanceNote(measured)}`,
          target: `≤ ${TARGET_RATIO.toFixed(1)}×`,
          pass: ratio <= TARGET_RATIO,
          numbers: { ratio, rounds: measured },
        },
      ];
    } finally {
      await server.stop();
    }
  },
};
