/**
 * Keeps processes from being started while an init moves its files into place (D-04): starting takes a
 * moment, and each thread starts one at a time, so both sides wait for moments only.
 */

const REPLACING = 0;

/** The memory for that many worker threads. */
export function createStartGate(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + slots) * Int32Array.BYTES_PER_ELEMENT);
}

export class StartGate {
  readonly #state: Int32Array;
  readonly #self: number;

  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#state = new Int32Array(memory);
    this.#self = 1 + slot;
  }

  /** Runs a start while no replacement is under way; waits for its end first. */
  starting<T>(start: () => T): T {
    const state = this.#state;
    Atomics.store(state, this.#self, 1);
    while (Atomics.load(state, REPLACING) !== 0) {
      this.#leave();
      Atomics.wait(state, REPLACING, 1);
      Atomics.store(state, this.#self, 1);
    }
    try {
      return start();
    } finally {
      this.#leave();
    }
  }

  /** Runs a replacement while no start is under way; inits are serial, so there is one at a time. */
  replacing(work: () => void): void {
    const state = this.#state;
    Atomics.store(state, REPLACING, 1);
    try {
      for (let slot = 1; slot < state.length; slot++) {
        while (Atomics.load(state, slot) !== 0) Atomics.wait(state, slot, 1);
      }
      work();
    } finally {
      openGate(state);
    }
  }

  #leave(): void {
    Atomics.store(this.#state, this.#self, 0);
    Atomics.notify(this.#state, this.#self);
  }
}

function openGate(state: Int32Array): void {
  Atomics.store(state, REPLACING, 0);
  Atomics.notify(state, REPLACING);
}

/** Takes a dead thread's marks away, so that nobody waits for it (D-24). */
export function leaveForDead(memory: SharedArrayBuffer, slot: number, wasInitialising: boolean): void {
  const state = new Int32Array(memory);
  Atomics.store(state, 1 + slot, 0);
  Atomics.notify(state, 1 + slot);
  if (wasInitialising) openGate(state);
}
