import type { Config } from '../config/load.js';
import type { FreezeAwareClock, TimerExpiry } from '../os/freeze-aware-clock.js';
import type { ParseAnswer } from '../threads/messages.js';
import type { WorkerPool } from '../threads/worker-pool.js';

/** Reads what bodies of runs say. */
export type RunBodyReader = Pick<typeof import('../protocol/run-body.js'), 'parseRunBody' | 'deadlineIn'>;

/** The reader, where the platform's deadline counts; where it does not, not even its code is loaded. */
export async function loadRunBodyReader(config: Config): Promise<RunBodyReader | undefined> {
  return config.honorDeadline ? await import('../protocol/run-body.js') : undefined;
}

/** A larger body is parsed by a worker: that takes time by its size. */
const MAX_INLINE_BODY_BYTES = 64 * 1024;

/**
 * Parses a body on this thread or, a large one, in a worker.
 *
 * @returns what it says, and the body in a buffer that replaces the given one
 * @throws Error if a worker died with the body
 */
export function parseBody(
  body: Uint8Array,
  { parseRunBody }: RunBodyReader,
  pool: WorkerPool,
): ParseAnswer | Promise<ParseAnswer> {
  return body.byteLength > MAX_INLINE_BODY_BYTES
    ? pool.parseRunBody(body)
    : { parsed: parseRunBody(body), body };
}

/** Until when an activation must be answered, from its arrival on. */
export class TimeLimit {
  readonly #clock: FreezeAwareClock;
  readonly #limitMs: number | undefined;
  readonly #dueMs: number;
  readonly #deadlineEpochMs: number | undefined;

  private constructor(
    clock: FreezeAwareClock,
    limitMs: number | undefined,
    deadlineEpochMs: number | undefined,
  ) {
    this.#clock = clock;
    this.#limitMs = limitMs;
    this.#dueMs = limitMs === undefined ? Infinity : clock.nowMs() + limitMs;
    this.#deadlineEpochMs = deadlineEpochMs;
  }

  /**
   * The limit of an activation that has just arrived; undefined if there is none.
   *
   * @param deadlineEpochMs the platform's deadline; undefined if it does not count
   */
  static of(
    config: Config,
    clock: FreezeAwareClock,
    deadlineEpochMs: number | undefined,
  ): TimeLimit | undefined {
    const limitMs = config.activationTimeoutMs === 0 ? undefined : config.activationTimeoutMs;
    return limitMs === undefined && deadlineEpochMs === undefined
      ? undefined
      : new TimeLimit(clock, limitMs, deadlineEpochMs);
  }

  /** What is left of it now. */
  remaining(): TimerExpiry {
    return {
      ...(this.#limitMs !== undefined && { inMs: this.#dueMs - this.#clock.nowMs() }),
      ...(this.#deadlineEpochMs !== undefined && { atEpochMs: this.#deadlineEpochMs }),
    };
  }

  /** What is left of it now, and so many milliseconds more. */
  remainingPlus(moreMs: number): TimerExpiry {
    const { inMs, atEpochMs } = this.remaining();
    return {
      ...(inMs !== undefined && { inMs: inMs + moreMs }),
      ...(atEpochMs !== undefined && { atEpochMs: atEpochMs + moreMs }),
    };
  }

  /** Waits for something, until the time is up. @returns whether it came in time */
  async waitFor(something: Promise<unknown>): Promise<boolean> {
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(this.remaining(), () => resolve(false));
      something.then(
        () => {
          timer.cancel();
          resolve(true);
        },
        (error: unknown) => {
          timer.cancel();
          reject(error);
        },
      );
    });
  }

  /** What has passed, in the words of the answer. */
  describe(): string {
    if (this.#deadlineEpochMs !== undefined && Date.now() >= this.#deadlineEpochMs) {
      return 'the deadline that the platform sent';
    }
    return `${this.#limitMs} milliseconds`;
  }
}
