import { readFileSync, writeFileSync } from 'node:fs';

/** How much more of the memory an action seems to have, in thousandths of all there is. */
const OOM_SCORE_GAP = 500;
const MAX_OOM_SCORE_ADJ = 1000;

let adjustment: string | undefined;

/**
 * How much more of the memory an action seems to have than the server, in thousandths. It is less than intended where the
 * server's own oom_score_adj is high, as Kubernetes sets it for pods that are not Guaranteed: none is above 1000.
 *
 * @returns the difference, and what is intended; undefined where the kernel does not tell
 */
export function oomScoreGap():
  | { readonly own: number; readonly gap: number; readonly intended: number }
  | undefined {
  try {
    const own = Number(readFileSync('/proc/self/oom_score_adj', 'latin1'));
    return { own, gap: Number(relativeTo(own)) - own, intended: OOM_SCORE_GAP };
  } catch {
    return undefined;
  }
}

/**
 * Sets oom_score_adj (proc(5)), so that the OOM killer prefers this process and its descendants to the server: with the
 * server all activations would be lost, and the container too. It is a preference among processes, by the memory of
 * each: {@link oomScoreGap} has its limit.
 */
export function setOomScoreAdj(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/oom_score_adj`, actionOomScoreAdj());
  } catch {
    // It has ended, or has other rights than the server.
  }
}

/**
 * What {@link setOomScoreAdj} sets.
 *
 * @throws Error where this system has no such file
 */
export function actionOomScoreAdj(): string {
  adjustment ??= relativeTo(Number(readFileSync('/proc/self/oom_score_adj', 'latin1')));
  return adjustment;
}

function relativeTo(own: number): string {
  return String(Math.min(own + OOM_SCORE_GAP, MAX_OOM_SCORE_ADJ));
}
