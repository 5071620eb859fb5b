import { constants } from 'node:os';

const PR_SET_CHILD_SUBREAPER = 36;
const P_ALL = 0;
const WNOHANG = 1;
const WEXITED = 4;
/** Leaves the child as it is. */
const WNOWAIT = 0x01000000;
/** Only children of the calling thread: the workers reap their own (wait(2)). */
const WNOTHREAD = 0x20000000;
const SWEEP_INTERVAL_MS = 1000;
/** A siginfo_t is 128 bytes; si_pid stands after three numbers and what aligns it (sigaction(2)). */
const SIGINFO_FIELDS = 32;
const SI_PID = 4;

/** Tells whether somebody else waits for the end of a process. */
type IsAwaited = (pid: number) => boolean;

const awaited = new Set<IsAwaited>();

/**
 * Excludes children of the calling thread that another component waits for: it would wait for ever if they were reaped
 * here.
 *
 * @returns a function that removes the exclusion
 */
export function excludeFromReaping(isAwaited: IsAwaited): () => void {
  awaited.add(isAwaited);
  return () => awaited.delete(isAwaited);
}

/**
 * Reaps what actions leave behind: processes whose parents have ended come to this server, as PID 1 of its
 * container or as child subreaper (prctl(2)), and stay zombies until it waits for them (C-SRV-13).
 *
 * They are children of the main thread; the processes of activations are their workers', or noted by
 * {@link excludeFromReaping}. Must run on the main thread.
 *
 * @returns a function that stops it; undefined if the C library can't be called, and then nothing is reaped
 */
export async function startOrphanReaper(): Promise<(() => void) | undefined> {
  const libc = await loadLibc();
  if (libc === undefined) return undefined;
  libc.prctl(PR_SET_CHILD_SUBREAPER, 1);
  const info = new Int32Array(SIGINFO_FIELDS);
  const sweep = (): void => {
    for (let pid = nextEnded(libc, info); pid > 0; pid = nextEnded(libc, info)) {
      // It hides those behind it, until the next sweep: Node reaps it in this turn of the loop.
      if ([...awaited].some((isAwaited) => isAwaited(pid))) return;
      libc.wait4(pid, info, WNOHANG | WNOTHREAD, null);
    }
  };
  const timer = setInterval(sweep, SWEEP_INTERVAL_MS);
  timer.unref();
  return () => clearInterval(timer);
}

/** A child of this thread that has ended and that nobody has waited for; 0 or less when there is none. */
function nextEnded(libc: typeof import('./libc.js'), info: Int32Array): number {
  info.fill(0);
  let failed: number;
  do failed = libc.waitid(P_ALL, 0, info, WEXITED | WNOHANG | WNOWAIT | WNOTHREAD);
  while (failed < 0 && libc.errno() === constants.errno.EINTR);
  return failed < 0 ? failed : (info[SI_PID] as number);
}

async function loadLibc(): Promise<typeof import('./libc.js') | undefined> {
  try {
    return await import('./libc.js');
  } catch {
    return undefined;
  }
}
