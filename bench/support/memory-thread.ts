import { setTimeout as delay } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { pssBytes, treePssBytes } from './processes.js';

/** The most memory that was seen. */
export interface MemoryReport {
  readonly samples: number;
  readonly peakBytes: number;
}

/** What the thread is told. */
export interface MemoryTask {
  readonly pid: number;
  /** The process alone, or with all its descendants. */
  readonly of: 'process' | 'tree';
  readonly everyMs: number;
}

const { pid, of, everyMs } = workerData as MemoryTask;
let samples = 0;
let peakBytes = 0;
let stopped = false;
parentPort?.once('message', () => {
  stopped = true;
});

while (!stopped) {
  peakBytes = Math.max(peakBytes, of === 'tree' ? treePssBytes(pid) : pssBytes(pid));
  samples++;
  if (samples === 1) parentPort?.postMessage('started');
  await delay(everyMs);
}
parentPort?.postMessage({ samples, peakBytes } satisfies MemoryReport);
