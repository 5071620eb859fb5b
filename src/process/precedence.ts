import { getPriority, setPriority } from 'node:os';

/** How much before the actions the main thread comes, in steps of nice(2). */
const STEPS = 10;
const MOST = -20;

let given: number | undefined;

/**
 * Lets this thread go before the actions, where it may (CAP_SYS_NICE): when they have all CPUs, requests would wait
 * in the kernel, where nobody can refuse them in time. The nice value is each thread's own on Linux (setpriority(2),
 * bugs), and threads started later inherit it: they give it back by {@link giveBack}.
 *
 * @returns the value that actions shall have: what this process was started with
 */
export function takePrecedence(): number {
  given = getPriority();
  try {
    setPriority(Math.max(MOST, given - STEPS));
  } catch {
    // Without the privilege all are equal.
  }
  return given;
}

/** Starts a process from the thread that has taken precedence, without handing that on. */
export function withoutPrecedence<T>(start: () => T): T {
  if (given === undefined) return start();
  const own = getPriority();
  giveBack(given);
  try {
    return start();
  } finally {
    giveBack(own);
  }
}

/** Gives this thread, and the processes that it starts, the value that the server was started with. */
export function giveBack(value: number): void {
  try {
    setPriority(value);
  } catch {
    // It has that value, or a worse one.
  }
}
