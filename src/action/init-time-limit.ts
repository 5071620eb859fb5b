import type { ClockTimer, FreezeAwareClock } from '../os/freeze-aware-clock.js';
import type { Failure } from '../protocol/errors.js';
import { InitRefusedError } from './archive/errors.js';

/** How often it is looked whether a shutdown has killed what was left. */
const POLL_INTERVAL_MS = 100;

/**
 * When an init has to end, finished or not: after its time limit, in which a frozen container does not count, or when
 * a shutdown's grace period is over.
 */
export class InitTimeLimit {
  readonly #controller = new AbortController();
  readonly #clock: FreezeAwareClock;
  readonly #timeoutMs: number;
  readonly #dueMs: number;
  readonly #timer: ClockTimer;
  readonly #poll: NodeJS.Timeout;

  /** @param killedAtShutdown whether a shutdown has killed what was left */
  constructor(clock: FreezeAwareClock, timeoutMs: number, killedAtShutdown: () => boolean) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#timer = clock.setTimer({ inMs: timeoutMs }, () => this.#onTimeout());
    // Behind the timer: the clock's time means something only while one is set.
    this.#dueMs = clock.nowMs() + timeoutMs;
    this.#poll = setInterval(() => {
      if (killedAtShutdown()) this.#abort({ code: 'init_shutdown_killed' });
    }, POLL_INTERVAL_MS);
  }

  /** Aborted, with a {@link InitRefusedError} for its reason, when the init has to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds that are left. */
  remainingMs(): number {
    return Math.max(0, this.#dueMs - this.#clock.nowMs());
  }

  /**
   * For work that leaves no timer a chance to go off.
   *
   * @throws InitRefusedError where it has to end
   */
  throwIfOver(): void {
    if (!this.signal.aborted && this.remainingMs() === 0) this.#onTimeout();
    this.signal.throwIfAborted();
  }

  /** The init is over. */
  close(): void {
    this.#timer.cancel();
    clearInterval(this.#poll);
  }

  #onTimeout(): void {
    this.#abort({ code: 'init_timeout', detail: `${this.#timeoutMs} milliseconds` });
  }

  #abort(failure: Failure): void {
    this.close();
    this.#controller.abort(new InitRefusedError(failure));
  }
}
