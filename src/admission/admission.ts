/**
 * How many requests may be under way, and who is next: a limit, a bounded queue in order of arrival behind
 * it, and the count that a shutdown waits for.
 */
export class Admission {
  inFlight = 0;
  readonly #maxInFlight: number;
  readonly #maxQueued: number;
  readonly #queue: (() => void)[] = [];
  #idle: (() => void) | undefined;

  constructor(maxInFlight: number, maxQueued: number) {
    this.#maxInFlight = maxInFlight;
    this.#maxQueued = maxQueued;
  }

  /** How many wait. */
  get queued(): number {
    return this.#queue.length;
  }

  /**
   * Lets an activation in: true at once, a promise that it will be, or false when the queue is full. Who was
   * let in calls {@link leave} once.
   */
  enter(): boolean | Promise<boolean> {
    if (this.inFlight < this.#maxInFlight) {
      this.inFlight++;
      return true;
    }
    if (this.#queue.length >= this.#maxQueued) return false;
    return new Promise((resolve) => this.#queue.push(() => resolve(true)));
  }

  /** Ends what {@link enter} began; the place goes to whoever has waited longest. */
  leave(): void {
    const next = this.#queue.shift();
    if (next !== undefined) next();
    else if (--this.inFlight === 0) this.#idle?.();
  }

  /** Resolves when nothing is under way. */
  whenIdle(): Promise<void> {
    if (this.inFlight === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}
