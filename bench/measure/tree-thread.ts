import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { processTree, TICKS_PER_SECOND, treePssBytes, treeTicks } from '../support/processes.js';

/** What the thread is told. */
export interface TreeTask {
  readonly pid: number;
  readonly everyMs: number;
}

/** CPU and memory of a process tree over time; times are in ms since the first sample. */
export interface TreeReport {
  readonly memory: [number, number][];
  readonly cpu: [number, number][];
  readonly mostProcesses: number;
}

const { pid, everyMs } = workerData as TreeTask;
const memory: [number, number][] = [];
const cpu: [number, number][] = [];
let mostProcesses = 0;
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
  mostProcesses = Math.max(mostProcesses, processTree(pid).length);
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
  await delay(everyMs, undefined, { signal: woken.signal }).catch(() => undefined);
  sample();
}
parentPort?.postMessage({ memory, cpu, mostProcesses } satisfies TreeReport);
