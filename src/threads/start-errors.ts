/**
 * What passes by itself, and how long it is waited for: a file just written may be held open for a moment by a
 * process on its way to exec, in any thread; descriptors and processes come back as other runs end.
 */
const TRANSIENT_ERROR_WAIT_MS: Readonly<Record<string, number>> = {
  ETXTBSY: 200,
  EMFILE: 3000,
  ENFILE: 3000,
  EAGAIN: 1000,
};

/** The machine's limits, not the action's fault. */
const OUT_OF_RESOURCES = new Set(['EAGAIN', 'EMFILE', 'ENFILE', 'ENOMEM']);

/** How long to wait before another attempt. */
export const RETRY_MS = 5;

/**
 * Whether another attempt to start a process may do.
 *
 * @param errno why the last one failed
 * @param begunMs when the first one was made, on the clock of performance.now()
 */
export function isWorthRetrying(errno: string, begunMs: number): boolean {
  return performance.now() - begunMs < (TRANSIENT_ERROR_WAIT_MS[errno] ?? 0);
}

/** Whether the machine, not the action, is why no process could be started. */
export function isOutOfResources(errno: string): boolean {
  return OUT_OF_RESOURCES.has(errno);
}
