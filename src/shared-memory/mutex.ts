const UNLOCKED = 0;

/** A lock in one cell of memory that threads share. The cell has the number of the holder, 0 if there is none. */
export class Mutex {
  readonly #cells: Int32Array;
  readonly #at: number;
  readonly #holder: number;

  /** @param holder a number above 0 that no other holder has */
  constructor(cells: Int32Array, at: number, holder: number) {
    this.#cells = cells;
    this.#at = at;
    this.#holder = holder;
  }

  /**
   * Takes the lock; blocks the thread while others have it.
   *
   * @param maxWaitMs how long it waits for each holder; without a limit for ever
   * @returns whether it was had
   */
  lock(maxWaitMs?: number): boolean {
    for (;;) {
      const holder = Atomics.compareExchange(this.#cells, this.#at, UNLOCKED, this.#holder);
      if (holder === UNLOCKED) return true;
      if (Atomics.wait(this.#cells, this.#at, holder, maxWaitMs) === 'timed-out') return false;
    }
  }

  /** Gives the lock back, if it is this holder's: a thread that has died may not have had it. */
  unlock(): void {
    const holder = Atomics.compareExchange(this.#cells, this.#at, this.#holder, UNLOCKED);
    if (holder === this.#holder) Atomics.notify(this.#cells, this.#at, 1);
  }
}
