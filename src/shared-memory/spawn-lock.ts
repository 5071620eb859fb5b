import { setTimeout as delay } from 'node:timers/promises';

/**
 * A readers-writer lock: starts of processes read the action's files, and an init replaces them (C-INIT-23).
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

const UNLOCKED = 0;
/** The files are being moved: that takes moments, which are waited for. */
const WRITING = 1;
/** What has been started finds its files; what is to be started comes later. */
const WRITE_PENDING = 2;

const POLL_INTERVAL_MS = 2;
/** So long a replacement waits for what was started before it to have found its files. */
const MAX_PENDING_MS = 250;

/** Why a start did not begin: an init is about to replace the files, or has replaced them since it was asked for. */
type Postponed = 'closing' | 'superseded';

/** The memory for that many threads. */
export function createSpawnLockMemory(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer((HEADER_FIELDS + THREAD_FIELDS * slots) * Int32Array.BYTES_PER_ELEMENT);
}

/** How many replacements there have been. */
export function generationOf(memory: SharedArrayBuffer): number {
  return Atomics.load(new Int32Array(memory), GENERATION);
}

/** One thread's side. */
export class SpawnLock {
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
  get isUnlocked(): boolean {
    return Atomics.load(this.#state, STATE) === UNLOCKED;
  }

  /**
   * Runs a start under the read lock. Blocks this thread for the moments in which files are being moved.
   *
   * @param generation how many replacements there had been when the start was asked for
   */
  withRead<T extends object>(generation: number, start: () => T): T | Postponed {
    const state = this.#state;
    Atomics.store(state, this.#self, 1);
    while (Atomics.load(state, STATE) !== UNLOCKED) {
      this.#releaseRead();
      if (Atomics.load(state, STATE) === WRITE_PENDING) return 'closing';
      Atomics.wait(state, STATE, WRITING);
      Atomics.store(state, this.#self, 1);
    }
    try {
      if (Atomics.load(state, GENERATION) !== generation) return 'superseded';
      const started = start();
      if (started instanceof Promise) this.#trackStart(started);
      return started;
    } finally {
      this.#releaseRead();
    }
  }

  /**
   * Runs a replacement under the write lock. Inits are serial, so there is one writer at a time.
   *
   * @param isSettled whether what was started before has found its files; asked while nothing is started
   */
  async withWrite(work: () => void, isSettled: () => boolean = () => true): Promise<void> {
    const state = this.#state;
    Atomics.store(state, STATE, WRITE_PENDING);
    try {
      this.#awaitCalls();
      const untilMs = performance.now() + MAX_PENDING_MS;
      while ((this.#hasStartsInProgress() || !isSettled()) && performance.now() < untilMs)
        await delay(POLL_INTERVAL_MS);
      Atomics.store(state, STATE, WRITING);
      this.#awaitCalls();
      // One that fails counts too: it may have moved files, and back.
      Atomics.add(state, GENERATION, 1);
      work();
    } finally {
      unlock(state);
    }
  }

  /** A start that ends later, as a clone does of which nothing is known yet. */
  #trackStart(started: Promise<unknown>): void {
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

  #hasStartsInProgress(): boolean {
    const state = this.#state;
    for (let at = HEADER_FIELDS + 1; at < state.length; at += THREAD_FIELDS) {
      if (Atomics.load(state, at) > 0) return true;
    }
    return false;
  }

  #releaseRead(): void {
    Atomics.store(this.#state, this.#self, 0);
    Atomics.notify(this.#state, this.#self);
  }
}

function unlock(state: Int32Array): void {
  Atomics.store(state, STATE, UNLOCKED);
  Atomics.notify(state, STATE);
}

/** Releases the locks of a dead thread, so that nobody waits for it. */
export function releaseSpawnLockOf(memory: SharedArrayBuffer, slot: number, wasInitialising: boolean): void {
  const state = new Int32Array(memory);
  const at = HEADER_FIELDS + THREAD_FIELDS * slot;
  Atomics.store(state, at, 0);
  Atomics.store(state, at + 1, 0);
  Atomics.notify(state, at);
  if (wasInitialising) unlock(state);
}
