import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { TICKS_PER_SECOND, treePssBytes, treeTicks } from '../support/processes.js';

/** What the thread is told. */
export interface TreeTask {
  readonly pid: number;
  readonly everyMs: number;
}

/** CPU and memory of a process tree over time; times are in ms since the first sample. */
export interface TreeReport {
  readonly memory: [number, number][];
  readonly cpu: [number, number][];
}

const { pid, everyMs } = workerData as TreeTask;
/** A look at thousands of processes takes long; it may have no more than a tenth of a core. */
const IDLE_FACTOR = 9;
const memory: [number, number][] = [];
const cpu: [number, number][] = [];
let pauseMs = everyMs;
let stopped = false;
const woken = new AbortController();
parentPort?.once('message', () => {
  stopped = true;
  woken.abort();
});

const beginMs = performance.now();
let beforeMs = beginMs;
let beforeTicks = treeTicks(pid);

function sample(): void {
  const nowMs = performance.now();
  memory.push([nowMs - beginMs, treePssBytes(pid)]);
  const ticks = treeTicks(pid);
  const spentMs = nowMs - beforeMs;
  // Time that an orphan took with it to init would make the sum fall.
  const usedMs = (Math.max(0, ticks - beforeTicks) / TICKS_PER_SECOND) * 1000;
  if (memory.length > 1 && spentMs > 0) cpu.push([nowMs - beginMs, usedMs / spentMs]);
  beforeMs = nowMs;
  beforeTicks = ticks;
}

sample();
parentPort?.postMessage('started');
while (!stopped) {
  await delay(pauseMs, undefined, { signal: woken.signal }).catch(() => undefined);
  const begin = performance.now();
  sample();
  pauseMs = Math.max(everyMs, (performance.now() - begin) * IDLE_FACTOR);
}
parentPort?.postMessage({ memory, cpu } satisfies TreeReport);
