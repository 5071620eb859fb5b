import { setTimeout as delay } from 'node:timers/promises';

/**
 * Keeps processes from being started while an init moves its files into place (D-04).
 *
 * It also counts the replacements. The variables of an init reach the other threads later than its files: a start that
 * was asked for before a replacement, and comes after it, would have the files of one init and the variables of
 * another (C-INIT-23).
 */

const STATE = 0;
const GENERATION = 1;
/** Before two numbers for each thread: whether it is in the call of a start, and how many starts it has on their way. */
const HEADER_FIELDS = 2;
const THREAD_FIELDS = 2;

const OPEN = 0;
/** The files are being moved: that takes moments, which are waited for. */
const REPLACING = 1;
/** What has been started finds its files; what is to be started comes later. */
const CLOSING = 2;

const LOOK_MS = 2;
/** So long a replacement waits for what was started before it to have found its files. */
const MAX_CLOSING_MS = 250;

/** Why a start did not begin: an init is about to replace the files, or has replaced them since it was asked for. */
export type Postponed = 'closing' | 'superseded';

/** The memory for that many threads. */
export function createStartGate(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer((HEADER_FIELDS + THREAD_FIELDS * slots) * Int32Array.BYTES_PER_ELEMENT);
}

/** How many replacements there have been. */
export function generationOf(memory: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(memory), GENERATION);
}

/** One thread's side. */
export class StartGate {
  readonly #state: Int32Array;
  readonly #self: number;

  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#state = new Int32Array(memory);
    this.#self = HEADER_FIELDS + THREAD_FIELDS * slot;
  }

  /** How many replacements there have been. */
  get generation(): number {
    return Atomics.load(this.#state, GENERATION);
  }

  /** Whether no replacement is under way. */
  get isOpen(): boolean {
    return Atomics.load(this.#state, STATE) === OPEN;
  }

  /**
   * Runs a start while no replacement is under way; waits for moments, on this thread, where files are being moved.
   *
   * @param generation how many replacements there had been when the start was asked for
   */
  starting<T extends object>(generation: number, start: () => T): T | Postponed {
    const state = this.#state;
    Atomics.store(state, this.#self, 1);
    while (Atomics.load(state, STATE) !== OPEN) {
      this.#leave();
      if (Atomics.load(state, STATE) === CLOSING) return 'closing';
      Atomics.wait(state, STATE, REPLACING);
      Atomics.store(state, this.#self, 1);
    }
    try {
      if (Atomics.load(state, GENERATION) !== generation) return 'superseded';
      const started = start();
      if (started instanceof Promise) this.#note(started);
      return started;
    } finally {
      this.#leave();
    }
  }

  /**
   * Runs a replacement while no start is under way; inits are serial, so there is one at a time.
   *
   * @param isSettled whether what was started before has found its files; asked while nothing is started
   */
  async replacing(work: () => void, isSettled: () => boolean = () => true): Promise<void> {
    const state = this.#state;
    Atomics.store(state, STATE, CLOSING);
    try {
      this.#awaitCalls();
      const untilMs = performance.now() + MAX_CLOSING_MS;
      while ((this.#areOnTheirWay() || !isSettled()) && performance.now() < untilMs) await delay(LOOK_MS);
      Atomics.store(state, STATE, REPLACING);
      this.#awaitCalls();
      // One that fails counts too: it may have moved files, and back.
      Atomics.add(state, GENERATION, 1);
      work();
    } finally {
      openGate(state);
    }
  }

  /** A start that ends later, as a clone does of which nothing is known yet. */
  #note(started: Promise<unknown>): void {
    const state = this.#state;
    const at = this.#self + 1;
    Atomics.add(state, at, 1);
    const ended = (): void => {
      Atomics.sub(state, at, 1);
    };
    started.then(ended, ended);
  }

  #awaitCalls(): void {
    const state = this.#state;
    for (let at = HEADER_FIELDS; at < state.length; at += THREAD_FIELDS) {
      while (Atomics.load(state, at) !== 0) Atomics.wait(state, at, 1);
    }
  }

  #areOnTheirWay(): boolean {
    const state = this.#state;
    for (let at = HEADER_FIELDS + 1; at < state.length; at += THREAD_FIELDS) {
      if (Atomics.load(state, at) > 0) return true;
    }
    return false;
  }

  #leave(): void {
    Atomics.store(this.#state, this.#self, 0);
    Atomics.notify(this.#state, this.#self);
  }
}

function openGate(state: Int32Array): void {
  Atomics.store(state, STATE, OPEN);
  Atomics.notify(state, STATE);
}

/** Takes a dead thread's marks away, so that nobody waits for it (D-24). */
export function leaveForDead(memory: SharedArrayBuffer, slot: number, wasInitialising: boolean): void {
  const state = new Int32Array(memory);
  const at = HEADER_FIELDS + THREAD_FIELDS * slot;
  Atomics.store(state, at, 0);
  Atomics.store(state, at + 1, 0);
  Atomics.notify(state, at);
  if (wasInitialising) openGate(state);
}
