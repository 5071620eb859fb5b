/** A signal that follows others, until it is released. */
interface FollowingSignal {
  readonly signal: AbortSignal;
  release(): void;
}

/**
 * Aborts its signal when the first of the others is. AbortSignal.any can't be used for that: Node's garbage collector may
 * take what it makes, and then it never aborts.
 */
export function firstAbort(...sources: readonly AbortSignal[]): FollowingSignal {
  const controller = new AbortController();
  const abort = (): void => controller.abort();
  for (const source of sources) {
    if (source.aborted) abort();
    else source.addEventListener('abort', abort, { once: true });
  }
  return {
    signal: controller.signal,
    release: () => {
      for (const source of sources) source.removeEventListener('abort', abort);
    },
  };
}

/** There was no answer in time. */
export class Unanswered extends Error {
  override readonly name = 'Unanswered';
}

/** The time that an answer has; to be released once there is one. */
export class AnswerLimit {
  /** Rejects with {@link Unanswered} when the time is up, and with an Error when the server has ended. */
  readonly passed: Promise<never>;
  readonly #timer: NodeJS.Timeout;
  readonly #died: AbortSignal;
  readonly #ended: () => void;

  constructor(limitMs: number, died: AbortSignal) {
    let reject: (error: Error) => void = () => {};
    this.passed = new Promise((_resolve, rejects) => {
      reject = rejects;
    });
    // Not a signal's timer (AbortSignal.timeout), for the same reason.
    this.#timer = setTimeout(() => reject(new Unanswered(`no answer within ${limitMs / 1000} s`)), limitMs);
    this.#died = died;
    this.#ended = () => reject(new Error('it ended without an answer'));
    died.addEventListener('abort', this.#ended, { once: true });
    if (died.aborted) this.#ended();
  }

  release(): void {
    clearTimeout(this.#timer);
    this.#died.removeEventListener('abort', this.#ended);
  }
}
