import { Agent, request } from 'node:http';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';

/** What the thread is told. */
export interface HealthTask {
  readonly port: number;
  readonly page: string;
  readonly referencePort: number;
}

/** One request: when it was sent and how long its answer took, in ms of the machine's monotonic clock. */
export type HealthSample = readonly [atMs: number, tookMs: number];

/** All samples of the server and of the reference; a request that failed took Infinity. */
export interface HealthReport {
  /** When, and how many processes were runnable or waited for a disk, averaged over a minute (proc(5), loadavg). */
  readonly load: (readonly [atMs: number, load: number])[];
  readonly server: HealthSample[];
  readonly reference: HealthSample[];
}

const EVERY_MS = 100;
const TIMEOUT_MS = 60_000;
const { port, page, referencePort } = workerData as HealthTask;
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});

function get(toPort: number, path: string, agent: Agent): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = request(
      { host: '127.0.0.1', port: toPort, path, agent, timeout: TIMEOUT_MS },
      (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode === 200));
        answer.once('error', () => resolve(false));
      },
    );
    outgoing.once('timeout', () => outgoing.destroy());
    outgoing.once('error', () => resolve(false));
    outgoing.end();
  });
}

const load: [number, number][] = [];

async function sample(toPort: number, path: string): Promise<HealthSample[]> {
  const samples: HealthSample[] = [];
  const agent = new Agent({ keepAlive: false });
  while (!stopped) {
    const atMs = performance.timeOrigin + performance.now();
    const isOk = await get(toPort, path, agent);
    const tookMs = performance.timeOrigin + performance.now() - atMs;
    samples.push([atMs, isOk ? tookMs : Number.POSITIVE_INFINITY]);
    const pauseMs = Math.max(0, EVERY_MS - tookMs);
    const beforeMs = performance.now();
    await delay(pauseMs);
    // How late this thread itself is counts for the reference: it makes both look slow.
    const lateMs = performance.now() - beforeMs - pauseMs;
    if (toPort !== referencePort) continue;
    samples.push([atMs + tookMs, lateMs]);
    load.push([atMs, loadavg()[0] ?? 0]);
  }
  return samples;
}

parentPort?.postMessage('started');
const [server, reference] = await Promise.all([sample(port, page), sample(referencePort, '/')]);
parentPort?.postMessage({ load, server, reference } satisfies HealthReport);
