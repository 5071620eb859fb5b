import { availableParallelism } from 'node:os';
import type { HealthReport, HealthSample } from './health-thread.js';

/** What GET /healthz may take on a machine with nothing else to do. */
const BASE_MS = 1000;
/** How many times the worst delay of the reference server around that moment it may take besides. */
const FACTOR = 8;
const AROUND_MS = 2000;

/** A time in which the server could not answer for a reason of the tool's own: it was stopped, for example. */
export interface ExcludedPeriod {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * The samples that were slower than the machine explains: a server beside it, which only answers, is asked all the
 * time too. Requests that failed are none of these: whoever ends the server knows.
 */
export function slowSamples(report: HealthReport, excuses: readonly ExcludedPeriod[]): HealthSample[] {
  return report.server.filter(([atMs, tookMs]) => {
    if (!Number.isFinite(tookMs) || tookMs <= BASE_MS) return false;
    const endMs = atMs + tookMs;
    if (excuses.some(({ fromMs, toMs }) => fromMs - AROUND_MS < endMs && toMs + AROUND_MS > atMs))
      return false;
    let worstMs = 0;
    for (const [otherAtMs, otherTookMs] of report.reference) {
      if (otherAtMs + otherTookMs < atMs - AROUND_MS || otherAtMs > endMs + AROUND_MS) continue;
      if (Number.isFinite(otherTookMs)) worstMs = Math.max(worstMs, otherTookMs);
    }
    // A thread that computes for a moment is held up by all others that want to; the reference server never does.
    const around = report.load.filter(
      ([otherAtMs]) => otherAtMs > atMs - AROUND_MS && otherAtMs < endMs + AROUND_MS,
    );
    const perCore = Math.max(0, ...around.map(([, load]) => load)) / availableParallelism();
    return tookMs > BASE_MS * (1 + perCore) + FACTOR * worstMs;
  });
}

/** The machine's clock that all threads share, in ms. */
export const nowMs = (): number => performance.timeOrigin + performance.now();
