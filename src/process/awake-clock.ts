/** How often the clock looks whether the process has been frozen, while an alarm is set (D-20). */
const BEAT_MS = 250;
/** A gap between two looks that only a freeze, or a thread that was held up as long, can make. */
const GAP_MS = 1000;
/** Node's timers may fire that much early, and take no delay beyond. */
const EARLY_MS = 1;
const LONGEST_DELAY_MS = 2 ** 31 - 1;

/** When an alarm goes off: whichever comes first. */
export interface AlarmTime {
  /** Milliseconds from now, those in which the process was frozen not counted. */
  readonly inMs?: number;
  /** Milliseconds of the wall clock (epoch), frozen or not. */
  readonly atEpochMs?: number;
}

/** An alarm that has been set. */
export interface Alarm {
  /** Takes it back; no effect once it has gone off. */
  cancel(): void;
}

/**
 * A clock that stands still while the whole container is frozen (C-PLAT-08, D-20): the monotonic clock runs
 * on then, and every timer would go off at the thaw. A beat runs while an alarm is set; a gap in it is time
 * that does not count.
 */
export class AwakeClock {
  #frozenMs = 0;
  #lookedMs = 0;
  #set = 0;
  #beat: NodeJS.Timeout | undefined;

  /** Calls back once, at that time or soon after it. */
  alarm({ inMs, atEpochMs }: AlarmTime, callback: () => void): Alarm {
    this.#start();
    const dueMs = inMs === undefined ? Infinity : this.nowMs() + inMs;
    const leftMs = (): number =>
      Math.min(dueMs - this.nowMs(), atEpochMs === undefined ? Infinity : atEpochMs - Date.now());
    let timer: NodeJS.Timeout | undefined;
    const look = (): void => {
      const left = leftMs();
      if (left > EARLY_MS) {
        timer = setTimeout(look, Math.min(left, LONGEST_DELAY_MS));
        return;
      }
      timer = undefined;
      this.#set--;
      callback();
    };
    timer = setTimeout(look, Math.max(0, Math.min(leftMs(), LONGEST_DELAY_MS)));
    return {
      cancel: () => {
        if (timer === undefined) return;
        clearTimeout(timer);
        timer = undefined;
        this.#set--;
      },
    };
  }

  #start(): void {
    this.#set++;
    if (this.#beat !== undefined) return;
    this.#lookedMs = performance.now();
    this.#beat = setInterval(() => {
      this.#look();
      // Stopped by the beat itself: alarms come and go with each activation.
      if (this.#set > 0) return;
      clearInterval(this.#beat);
      this.#beat = undefined;
    }, BEAT_MS);
    this.#beat.unref();
  }

  /** Milliseconds on this clock; only differences mean something, and only while an alarm is set. */
  nowMs(): number {
    this.#look();
    return this.#lookedMs - this.#frozenMs;
  }

  #look(): void {
    const now = performance.now();
    const gapMs = now - this.#lookedMs;
    // Without a beat a gap says nothing.
    if (gapMs > GAP_MS && this.#beat !== undefined) this.#frozenMs += gapMs;
    this.#lookedMs = now;
  }
}
