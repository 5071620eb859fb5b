/**
 * The ends of the server's own process that wait for no thread: process.exit() joins every worker thread, and one that
 * is stuck in a system call never ends.
 */

type Libc = typeof import('./libc.js');
let libc: Libc | undefined;

/** Loads what the other functions need; where it can't be loaded they do with less. */
export async function loadForcedExit(): Promise<void> {
  try {
    libc = await import('./libc.js');
  } catch {
    // Then SIGKILL is the end that waits for nobody.
  }
}

/** Ends the process at once, whatever its threads do, with this status; by SIGKILL where there is no C library. */
export function forceExit(status: number): void {
  libc?.exitImmediately(status);
  process.kill(process.pid, 'SIGKILL');
}

/**
 * Has the kernel kill this process after some milliseconds (timer_create(2)), for the case that this thread is stuck by
 * then. Has no effect where the C library can't be called.
 */
export function scheduleSelfKill(ms: number): void {
  try {
    libc?.scheduleSelfKill(ms);
  } catch {
    // The C library is too old for it: the timers of this thread are left.
  }
}
