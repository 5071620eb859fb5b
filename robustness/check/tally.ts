import type { Protocol } from '../../conformance/case.js';
import { ERRORS, type ErrorCode } from '../../src/protocol/errors.js';

/** What a request asked for. */
export type Purpose = 'run' | 'init' | 'other';

/** One answer, as far as it counts. */
interface Counted {
  readonly purpose: Purpose;
  readonly status: number;
  /** The header X-Hyperskeleton-Cause; undefined for a success and for answers of the HTTP front end itself. */
  readonly cause: string | undefined;
}

/** A number that is known up to what became of requests without an answer. */
interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * Counts answers, and derives what the server must have written and counted: sentinels (C-LOG-01, C-INIT-27) and
 * activations. A request without an answer may have reached the contract or not, and widens the ranges by one.
 */
export class Tally {
  /** `purpose status cause` → how many. */
  readonly answers = new Map<string, number>();
  readonly #protocol: Protocol;
  #sentinels = 0;
  #activations = 0;
  #succeeded = 0;
  #undecided = 0;

  constructor(protocol: Protocol) {
    this.#protocol = protocol;
  }

  answered({ purpose, status, cause }: Counted): void {
    const key = `${purpose} ${status}${cause === undefined ? '' : ` ${cause}`}`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
    const row = cause !== undefined && cause in ERRORS ? ERRORS[cause as ErrorCode] : undefined;
    if (row !== undefined) {
      // A failed init of ActionLoop is in the log only if OW_LOG_INIT_ERROR asks for it (C-AL-12).
      const isSilent =
        this.#protocol === 'actionloop' && purpose === 'init' && !String(cause).endsWith('_logged');
      if (row.sentinels && !isSilent) this.#sentinels++;
      if (purpose === 'run' && 'outcome' in row) this.#activations++;
      return;
    }
    if (purpose !== 'run' || status !== 200) return;
    this.#sentinels++;
    this.#activations++;
    this.#succeeded++;
  }

  /** A request that ended without an answer: nobody knows how far it came. */
  unanswered(purpose: Purpose): void {
    const key = `${purpose} no answer`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
    this.#undecided++;
  }

  /** An answer whose request can't be told from its bytes. */
  ambiguous(status: number): void {
    const key = `other ${status}`;
    this.answers.set(key, (this.answers.get(key) ?? 0) + 1);
    this.#undecided++;
  }

  /** How often the line that ends an activation's log must be on each stream. */
  get sentinels(): Range {
    return this.#range(this.#sentinels);
  }

  /** The sum of hyperskeleton_activations_total over all outcomes. */
  get activations(): Range {
    return this.#range(this.#activations);
  }

  /** The outcomes `ok` and `action_error` together. */
  get succeeded(): Range {
    return this.#range(this.#succeeded);
  }

  get requests(): number {
    return [...this.answers.values()].reduce((sum, count) => sum + count, 0);
  }

  #range(min: number): Range {
    return { min, max: min + this.#undecided };
  }
}

export function within(value: number, { min, max }: Range): boolean {
  return value >= min && value <= max;
}
