import { parentPort, workerData } from 'node:worker_threads';
import { clockMs } from './clock.js';

/** What the thread is told. */
export interface TickerTask {
  /** Of the first tick, on {@link clockMs}. */
  readonly beginMs: number;
  /** Between two ticks. */
  readonly intervalMs: number;
  /** Set to 1 by the other side to end the thread. */
  readonly stop: Int32Array;
}

// Timers of an event loop know whole milliseconds only; a futex wakes within some ten microseconds. The sender
// reads its own clock when it is woken: a late tick is a late request, never a forgotten one.
const { beginMs, intervalMs, stop } = workerData as TickerTask;
for (let tick = 0; Atomics.load(stop, 0) === 0; tick++) {
  const waitMs = beginMs + tick * intervalMs - clockMs();
  if (waitMs > 0) Atomics.wait(stop, 0, 0, waitMs);
  parentPort?.postMessage(tick);
}
