import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { initBody } from '../support/archive.js';
import { sendOk } from '../support/http.js';
import { MEGABYTE, steadyBytes } from '../support/memory.js';
import { processTree } from '../support/processes.js';
import { BenchServer } from '../support/server.js';
import type { Finding, Goal, Setting } from './goal.js';

const TARGET_MB = 75;
/** V8 collects by itself what a thread has left behind when that has had nothing to do for some seconds. */
const SETTLE_MS = 15_000;
/** One after the other: enough that templates and clones of every kind are there. */
const RUNS = 200;

/** A server that has served and now waits is small. */
export const idleMemoryGoal: Goal = {
  key: 'idle-memory',
  async measure({ programs, folder }: Setting): Promise<Finding[]> {
    const server = await BenchServer.start({ folder });
    try {
      const startMb = (await steadyBytes(server.pid)) / MEGABYTE;
      await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.hello) }));
      for (let count = 0; count < RUNS; count++) await server.run();
      await delay(SETTLE_MS);
      const idleMb = (await steadyBytes(server.pid)) / MEGABYTE;
      const processes = processTree(server.pid).length;
      return [
        {
          goal: `idle memory of the process tree (PSS), after ${RUNS} runs`,
          measured: `${idleMb.toFixed(1)} MB in ${processes} processes, ${startMb.toFixed(1)} MB before the first init`,
          target: `≤ ${TARGET_MB} MB`,
          pass: idleMb <= TARGET_MB,
          numbers: { idleMb, startMb, processes },
        },
      ];
    } finally {
      await server.stop();
    }
  },
};
