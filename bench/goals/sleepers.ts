import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { initBody } from '../support/archive.js';
import { sendOk } from '../support/http.js';
import { threadCount } from '../support/processes.js';
import { BenchServer } from '../support/server.js';
import type { Finding, Goal, Setting } from './goal.js';

const TARGET_THREADS = 4;
/** By then all have begun to sleep and none has awoken, on a machine that starts them all so soon. */
const LOOK_AFTER_MS = 800;

interface Sleepers {
  readonly key: string;
  readonly activations: number;
  readonly targetMs: number;
}

/** Activations that wait for something cost no thread. */
function sleepers({ key, activations, targetMs }: Sleepers): Goal {
  return {
    key,
    async measure({ programs, folder }: Setting): Promise<Finding[]> {
      const server = await BenchServer.start({ folder });
      try {
        await sendOk(server.port, 'POST', '/init', initBody({ exec: await readFile(programs.sleep) }));
        await server.run();
        const threadsBefore = threadCount(server.pid);
        const beginMs = performance.now();
        const [inFlight, ...answers] = await Promise.all([
          delay(LOOK_AFTER_MS).then(async () => ({
            activations: await server.metric('hyperskeleton_activations_in_flight'),
            osThreads: threadCount(server.pid),
          })),
          ...Array.from({ length: activations }, () => server.run()),
        ]);
        const tookMs = performance.now() - beginMs;
        const right = answers.filter((answer) => answer.toString() === '{"slept":1}').length;
        const workers = await server.metric('hyperskeleton_worker_threads');
        const moreThreads = inFlight.osThreads - threadsBefore;
        return [
          {
            goal: `${activations} concurrent activations that sleep 1 s`,
            measured: `${(tookMs / 1000).toFixed(2)} s, ${workers} worker threads (${moreThreads} threads more than before, ${inFlight.activations} in flight)`,
            target: `≤ ${targetMs / 1000} s, ≤ ${TARGET_THREADS} threads`,
            pass:
              right === activations &&
              tookMs <= targetMs &&
              workers <= TARGET_THREADS &&
              moreThreads <= TARGET_THREADS,
            numbers: { tookMs, right, workers, moreThreads, inFlight: inFlight.activations },
          },
        ];
      } finally {
        await server.stop();
      }
    },
  };
}

/** Hundreds at once. */
export const sleepersGoal = sleepers({ key: 'sleepers', activations: 200, targetMs: 3000 });
/** A thousand at once: more than most machines have threads for. */
export const thousandSleepersGoal = sleepers({ key: 'sleepers-1000', activations: 1000, targetMs: 6000 });
