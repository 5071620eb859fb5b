import { Agent } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { sendOk } from './http.js';

/** How long GET /healthz took, over all samples. */
export interface HealthReport {
  readonly samples: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** The longest that this thread itself came late to a sample: part of maxMs may be that. */
  readonly lateMs: number;
}

/** What the thread is told. */
export interface HealthTask {
  readonly port: number;
  readonly everyMs: number;
}

const { port, everyMs } = workerData as HealthTask;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const tookMs: number[] = [];
let lateMs = 0;
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});

while (!stopped) {
  const begin = performance.now();
  await sendOk(port, 'GET', '/healthz', '', agent);
  const end = performance.now();
  tookMs.push(end - begin);
  if (tookMs.length === 1) parentPort?.postMessage('started');
  const pauseMs = Math.max(0, begin + everyMs - end);
  await delay(pauseMs);
  lateMs = Math.max(lateMs, performance.now() - end - pauseMs);
}
agent.destroy();
tookMs.sort((a, b) => a - b);
parentPort?.postMessage({
  samples: tookMs.length,
  p99Ms: tookMs[Math.floor(0.99 * (tookMs.length - 1))] ?? 0,
  maxMs: tookMs.at(-1) ?? 0,
  lateMs,
} satisfies HealthReport);
