/**
 * So many starts in one turn of the event loop. A start takes a moment in which the thread does nothing else,
 * and requests come in bundles.
 */
const STARTS_PER_TURN = 2;

/**
 * Bounds the starts in progress: between them the thread reads what runs, reaps what has ended and
 * answers. Without that a flood of requests would only ever start processes, and finish none.
 *
 * Activations that wait for something do not count: they are started, and take no turn.
 */
export class StartQueue {
  readonly #waiting: (() => void)[] = [];
  #startedThisTurn = 0;
  #scheduled = false;

  /** Runs a start at once where this turn has room for it, else in its order in one of the next. */
  push(start: () => void): void {
    if (this.#waiting.length === 0 && this.#startedThisTurn < STARTS_PER_TURN) {
      this.#startedThisTurn++;
      this.#nextTurn();
      start();
      return;
    }
    this.#waiting.push(start);
    this.#nextTurn();
  }

  #nextTurn(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    // After the events of descriptors have been looked at (libuv's check phase).
    setImmediate(() => {
      this.#scheduled = false;
      this.#startedThisTurn = 0;
      while (this.#waiting.length > 0 && this.#startedThisTurn < STARTS_PER_TURN) {
        this.#startedThisTurn++;
        this.#waiting.shift()?.();
      }
      if (this.#waiting.length > 0) this.#nextTurn();
    });
  }
}
