import { constants } from 'node:os';

const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
/** Only children of the calling thread: the workers reap their own (wait(2)). */
const WNOTHREAD = 0x20000000;
const SWEEP_MS = 1000;

/**
 * Reaps what actions leave behind: processes whose parents have ended come to this server, as PID 1 of its
 * container or as child subreaper (prctl(2)), and stay zombies until it waits for them (C-SRV-13).
 *
 * They are children of the main thread; the processes of activations are their workers'. Must run on the
 * main thread.
 *
 * @returns ends it; undefined where the C library can't be called, and then nothing is reaped
 */
export async function reapOrphans(): Promise<(() => void) | undefined> {
  const libc = await loadLibc();
  if (libc === undefined) return undefined;
  libc.prctl(PR_SET_CHILD_SUBREAPER, 1);
  const status = new Int32Array(1);
  const sweep = (): void => {
    let reaped: number;
    do reaped = libc.wait4(-1, status, WNOHANG | WNOTHREAD, null);
    while (reaped > 0 || (reaped < 0 && libc.errno() === constants.errno.EINTR));
  };
  const timer = setInterval(sweep, SWEEP_MS);
  timer.unref();
  return () => clearInterval(timer);
}

async function loadLibc(): Promise<typeof import('./libc.js') | undefined> {
  try {
    return await import('./libc.js');
  } catch {
    return undefined;
  }
}
