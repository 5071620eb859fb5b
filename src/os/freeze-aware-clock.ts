/** Interval of the ticks by which a freeze is detected while a timer is set (C-PLAT-08). */
const TICK_MS = 250;
/** A gap between two ticks that only a freeze, or a thread blocked for as long, can cause. */
const GAP_MS = 1000;
/** Node's timers may fire that much early, and take no delay beyond. */
const EARLY_MS = 1;
const MAX_DELAY_MS = 2 ** 31 - 1;

/** When a timer fires: at whichever comes first. */
export interface TimerExpiry {
  /** Milliseconds from now, those in which the process was frozen not counted. */
  readonly inMs?: number;
  /** Milliseconds of the wall clock (epoch), frozen or not. */
  readonly atEpochMs?: number;
}

/** A timer that has been set. */
export interface ClockTimer {
  /** Cancels it; no effect once it has fired. */
  cancel(): void;
}

/**
 * A clock that stops while the whole container is frozen (C-PLAT-08). The monotonic clock goes on then, so every timer
 * would fire at the thaw. A tick runs while a timer is set; a gap between two ticks is not counted.
 */
export class FreezeAwareClock {
  #frozenMs = 0;
  #tickedMs = 0;
  #timers = 0;
  #ticker: NodeJS.Timeout | undefined;

  /** Calls back once, at that time or soon after it. */
  setTimer({ inMs, atEpochMs }: TimerExpiry, callback: () => void): ClockTimer {
    this.#start();
    const dueMs = inMs === undefined ? Infinity : this.nowMs() + inMs;
    const leftMs = (): number =>
      Math.min(dueMs - this.nowMs(), atEpochMs === undefined ? Infinity : atEpochMs - Date.now());
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      const left = leftMs();
      if (left > EARLY_MS) {
        timer = setTimeout(look, Math.min(left, MAX_DELAY_MS));
        return;
      }
      timer = undefined;
      this.#timers--;
      callback();
    };
    timer = setTimeout(look, Math.max(0, Math.min(leftMs(), MAX_DELAY_MS)));
    return {
      cancel: () => {
        if (timer === undefined) return;
        clearTimeout(timer);
        timer = undefined;
        this.#timers--;
      },
    };
  }

  /** @returns what the event brings, or `late` if it has not come within that time */
  async withTimeout<T>(ms: number, event: Promise<T>): Promise<T | 'late'> {
    let tellLate: (late: 'late') => void = () => {};
    const late = new Promise<'late'>((resolve) => {
      tellLate = resolve;
    });
    const timer = this.setTimer({ inMs: ms }, () => tellLate('late'));
    try {
      return await Promise.race([event, late]);
    } finally {
      timer.cancel();
    }
  }

  #start(): void {
    this.#timers++;
    if (this.#ticker !== undefined) return;
    this.#tickedMs = performance.now();
    this.#ticker = setInterval(() => {
      this.#tick();
      // The tick stops itself: timers come and go with each activation.
      if (this.#timers > 0) return;
      clearInterval(this.#ticker);
      this.#ticker = undefined;
    }, TICK_MS);
    this.#ticker.unref();
  }

  /** Milliseconds on this clock. Only differences have a meaning, and only while a timer is set. */
  nowMs(): number {
    this.#tick();
    return this.#tickedMs - this.#frozenMs;
  }

  #tick(): void {
    const now = performance.now();
    const gapMs = now - this.#tickedMs;
    // Without ticks a gap has no meaning.
    if (gapMs > GAP_MS && this.#ticker !== undefined) this.#frozenMs += gapMs;
    this.#tickedMs = now;
  }
}
