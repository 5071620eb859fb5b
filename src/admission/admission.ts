import type { LoadShedder } from './load-shedder.js';

/** A place in the queue. */
interface Ticket {
  /** Resolves when the activation is let in. */
  readonly granted: Promise<void>;
  /** Gives the place up. @returns false where the activation has been let in already */
  cancel(): boolean;
}

/**
 * How many requests may be under way, and who is next: a limit, a bounded queue in order of arrival behind
 * it, and the count that a shutdown waits for.
 */
export class Admission {
  inFlight = 0;
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #shedder: LoadShedder | undefined;
  /** In order of arrival, as a set keeps it. */
  readonly #queue = new Set<() => void>();
  #idle: (() => void) | undefined;

  /** @param shedder refuses what is too much for the CPUs; undefined: only the limits count */
  constructor(maxInFlight: number, maxQueued: number, shedder?: LoadShedder) {
    this.#maxInFlight = maxInFlight;
    this.#maxQueued = maxQueued;
    this.#shedder = shedder;
  }

  /** How many may be under way, and how many may wait. */
  get limits(): { readonly inFlight: number; readonly queued: number } {
    return { inFlight: this.#maxInFlight, queued: this.#maxQueued };
  }

  /** How many wait. */
  get queued(): number {
    return this.#queue.size;
  }

  /**
   * Lets an activation in: `in` at once, a place in the queue, or `full`. Who was let in calls {@link leave}
   * once.
   */
  enter(): 'in' | 'full' | Ticket {
    const count = this.inFlight + this.#queue.size;
    if (this.#shedder?.admits(count, performance.now()) === false) return 'full';
    if (this.inFlight < this.#maxInFlight) {
      this.inFlight++;
      return 'in';
    }
    if (this.#queue.size >= this.#maxQueued) return 'full';
    let letIn = (): void => {};
    const granted = new Promise<void>((resolve) => {
      letIn = resolve;
    });
    this.#queue.add(letIn);
    return { granted, cancel: () => this.#queue.delete(letIn) };
  }

  /** Ends what {@link enter} began; the place goes to whoever has waited longest. */
  leave(): void {
    this.#shedder?.ended();
    const next = this.#queue.size === 0 ? undefined : this.#queue.values().next().value;
    if (next !== undefined) {
      this.#queue.delete(next);
      next();
    } else if (--this.inFlight === 0) {
      this.#idle?.();
    }
  }

  /** Resolves when nothing is under way. */
  whenIdle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}
