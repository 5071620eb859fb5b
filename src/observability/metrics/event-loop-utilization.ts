import type { EventLoopUtilization } from 'node:perf_hooks';

/** A thread's `performance`: its own, or that of a worker as the main thread sees it. */
interface EventLoopClock {
  eventLoopUtilization(current?: EventLoopUtilization, previous?: EventLoopUtilization): EventLoopUtilization;
}

/** Scrapes closer together than this are told the same. */
const MIN_INTERVAL_MS = 1000;

interface Reading {
  readonly atMs: number;
  readonly total: EventLoopUtilization | undefined;
  readonly ratio: number;
}

/**
 * How busy event loops have been since the last look. The numbers are kept by Node itself, for every thread, and
 * read from the main thread: nothing runs in between.
 */
export class EventLoopUtilizations {
  readonly #readings = new WeakMap<EventLoopClock, Reading>();

  /** The share of the time since the last call, or since the thread's start, in which it had something to do. */
  ratioOf(clock: EventLoopClock, nowMs = performance.now()): number {
    const last = this.#readings.get(clock);
    if (last !== undefined && nowMs - last.atMs < MIN_INTERVAL_MS) return last.ratio;
    const total = clock.eventLoopUtilization();
    const ratio =
      last?.total === undefined
        ? total.utilization
        : clock.eventLoopUtilization(total, last.total).utilization;
    // A thread that has just begun has no numbers yet.
    const safe = Number.isFinite(ratio) ? Math.min(1, Math.max(0, ratio)) : 0;
    this.#readings.set(clock, { atMs: nowMs, total, ratio: safe });
    return safe;
  }
}
