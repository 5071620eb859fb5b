import { getPriority, setPriority } from 'node:os';

/** Difference between the nice values of actions and of the main thread (nice(2)). */
const NICE_STEPS = 10;
const MIN_NICE = -20;

let originalNice: number | undefined;

/**
 * Raises the priority of this thread above that of actions, if permitted (CAP_SYS_NICE). If actions use all CPUs,
 * requests would otherwise wait in the kernel, where the server can't refuse them in time. The nice value is each
 * thread's own on Linux (setpriority(2), bugs), and threads started later inherit it: they give it back by {@link
 * restorePriority}.
 *
 * @returns the value that actions shall have: what this process was started with
 */
export function raisePriority(): number {
  originalNice = getPriority();
  try {
    setPriority(Math.max(MIN_NICE, originalNice - NICE_STEPS));
  } catch {
    // Without the privilege all are equal.
  }
  return originalNice;
}

/** Starts a process with the original nice value from the thread that has raised its priority. */
export function withOriginalPriority<T>(start: () => T): T {
  if (originalNice === undefined) return start();
  const own = getPriority();
  restorePriority(originalNice);
  try {
    return start();
  } finally {
    restorePriority(own);
  }
}

/** Restores the nice value that the server was started with, for this thread and the processes that it starts. */
export function restorePriority(value: number): void {
  try {
    setPriority(value);
  } catch {
    // It has that value, or a worse one.
  }
}
