import type { Failure } from '../errors/table.js';
import type { Alarm, AwakeClock } from '../process/awake-clock.js';
import { Refused } from './refusals.js';

/** How often it is looked whether a shutdown has killed what was left. */
const LOOK_EVERY_MS = 100;

/**
 * When an init has to end, finished or not: after its time limit, in which a frozen container does not count, or when
 * a shutdown's grace period is over.
 */
export class InitLimit {
  readonly #controller = new AbortController();
  readonly #clock: AwakeClock;
  readonly #timeoutMs: number;
  readonly #dueMs: number;
  readonly #alarm: Alarm;
  readonly #look: NodeJS.Timeout;

  /** @param killedAtShutdown whether a shutdown has killed what was left */
  constructor(clock: AwakeClock, timeoutMs: number, killedAtShutdown: () => boolean) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#alarm = clock.alarm({ inMs: timeoutMs }, () => this.#timeIsUp());
    // Behind the alarm: the clock's time means something only while one is set.
    this.#dueMs = clock.nowMs() + timeoutMs;
    this.#look = setInterval(() => {
      if (killedAtShutdown()) this.#end({ code: 'init_shutdown_killed' });
    }, LOOK_EVERY_MS);
  }

  /** Aborted, with a {@link Refused} for its reason, when the init has to end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Milliseconds that are left. */
  leftMs(): number {
    return Math.max(0, this.#dueMs - this.#clock.nowMs());
  }

  /**
   * For work that leaves no timer a chance to go off.
   *
   * @throws Refused where it has to end
   */
  check(): void {
    if (!this.signal.aborted && this.leftMs() === 0) this.#timeIsUp();
    this.signal.throwIfAborted();
  }

  /** The init is over. */
  close(): void {
    this.#alarm.cancel();
    clearInterval(this.#look);
  }

  #timeIsUp(): void {
    this.#end({ code: 'init_timeout', detail: `${this.#timeoutMs} milliseconds` });
  }

  #end(failure: Failure): void {
    this.close();
    this.#controller.abort(new Refused(failure));
  }
}
