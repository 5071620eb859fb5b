import type { LoadShedder } from './load-shedder.js';

/** A place in the queue. */
interface Ticket {
  /** Resolves when the activation is let in. */
  readonly granted: Promise<void>;
  /** Gives the place up. @returns false where the activation has been let in already */
  cancel(): boolean;
}

/**
 * How many requests may be under way, and who is next: a fixed limit and one that follows the memory, a bounded queue
 * in order of arrival behind them, and the count that a shutdown waits for.
 */
export class Admission {
  inFlight = 0;
  /** How many have ended since the start. */
  ended = 0;
  readonly #maxInFlight: number;
  /** What memory allows at this moment. */
  #memoryLimit = Infinity;
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
    return { inFlight: Math.min(this.#maxInFlight, this.#memoryLimit), queued: this.#maxQueued };
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
    if (this.#hasPlace) {
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
    this.inFlight--;
    this.ended++;
    this.#letIn();
    if (this.inFlight === 0) this.#idle?.();
  }

  /** From now on at most so many are let in, if the fixed limit is not less. What is under way goes on. */
  setMemoryLimit(maxInFlight: number): void {
    this.#memoryLimit = maxInFlight;
    this.#letIn();
  }

  get #hasPlace(): boolean {
    return this.inFlight < this.#maxInFlight && this.inFlight < this.#memoryLimit;
  }

  #letIn(): void {
    while (this.#queue.size > 0 && this.#hasPlace) {
      const [next] = this.#queue;
      if (next === undefined) return;
      this.#queue.delete(next);
      this.inFlight++;
      next();
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
