import { readFileSync, writeFileSync } from 'node:fs';

/** How much more of the memory an action seems to have, in thousandths of all there is. */
const MORE_THOUSANDTHS = 500;
const MOST_THOUSANDTHS = 1000;

let adjustment: string | undefined;

/**
 * How much more of the memory an action seems to have than the server, in thousandths. It is less than intended where the
 * server's own oom_score_adj is high, as Kubernetes sets it for pods that are not Guaranteed: none is above 1000.
 *
 * @returns the difference, and what is intended; undefined where the kernel does not tell
 */
export function oomPreference():
  | { readonly own: number; readonly gap: number; readonly intended: number }
  | undefined {
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'));
    return { own, gap: Number(relativeTo(own)) - own, intended: MORE_THOUSANDTHS };
  } catch {
    return undefined;
  }
}

/**
 * Has the kernel end this process and its descendants, and not the server, where the memory of the container is short
 * (proc(5), oom_score_adj): with the server all activations would be lost, and the container too. It is a preference
 * among processes, by the memory of each: {@link oomPreference} has its limit.
 */
export function endBeforeServer(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, oomScoreOfActions());
  } catch {
    // It has ended, or has other rights than the server.
  }
}

/**
 * What {@link endBeforeServer} sets.
 *
 * @throws Error where this system has no such file
 */
export function oomScoreOfActions(): string {
  adjustment ??= relativeTo(Number(readFileSync('/proc/self/oom_score_adj', 'latin1')));
  return adjustment;
}

function relativeTo(own: number): string {
  return String(Math.min(own + MORE_THOUSANDTHS, MOST_THOUSANDTHS));
}
