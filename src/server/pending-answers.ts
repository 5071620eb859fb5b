import type { ClockTimer } from '../os/freeze-aware-clock.js';

/** Sets a limit of time, and calls back when it has passed. */
export type SetLimit = (passed: () => void) => ClockTimer;

/**
 * The answers that requests wait for. Whoever is to give one may be stuck: a worker thread in an endless loop, a file
 * system that hangs. A shutdown gives them up, and the requests are answered all the same (C-SRV-11).
 */
export class PendingAnswers {
  readonly #waiting = new Set<() => void>();

  /**
   * Waits for an answer.
   *
   * @param fallback makes the one that is given where this one has been given up
   * @param setLimit sets the time after which it is given up without a shutdown
   * @throws as `answer` does
   */
  wait<Answer>(
    answer: Promise<Answer>,
    fallback: (reason: 'time' | 'shutdown') => Answer,
    setLimit?: SetLimit,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        limit?.cancel();
        resolve(fallback('shutdown'));
      };
      const limit = setLimit?.(() => {
        this.#waiting.delete(giveUp);
        resolve(fallback('time'));
      });
      this.#waiting.add(giveUp);
      const settled = (): void => {
        this.#waiting.delete(giveUp);
        limit?.cancel();
      };
      answer.then(
        (value) => {
          settled();
          resolve(value);
        },
        (error: unknown) => {
          settled();
          reject(error);
        },
      );
    });
  }

  /** Gives up all that are waited for now. @returns how many */
  abandonAll(): number {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const one of waiting) one();
    return waiting.length;
  }
}
