import { setTimeout as delay } from 'node:timers/promises';
import { SharedTable } from './shared-table.js';

/**
 * A readers-writer lock: starts of processes read the action's files, and an init replaces them (C-INIT-23).
 *
 * It also counts the replacements. The variables of an init reach the other threads later than its files: a start that
 * was asked for before a replacement, and comes after it, would have the files of one init and the variables of
 * another (C-INIT-23).
 */

const STATE = 0;
const GENERATION = 1;
/** For each thread: whether it is in the call of a start, and how many starts it has on their way. */
const IN_CALL = 0;
const STARTS = 1;

export const SPAWN_LOCK_TABLE = new SharedTable(Int32Array, 2, 2);

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

/** How many replacements there have been. */
export function generationOf(memory: SharedArrayBuffer): number {
  return Atomics.load(SPAWN_LOCK_TABLE.header(memory), GENERATION);
}

/** One thread's side. */
export class SpawnLock {
  readonly #state: Int32Array;
  readonly #threads: readonly Int32Array[];
  readonly #self: Int32Array;

  constructor(memory: SharedArrayBuffer, slot: number) {
    this.#state = SPAWN_LOCK_TABLE.header(memory);
    this.#threads = SPAWN_LOCK_TABLE.slots(memory);
    this.#self = SPAWN_LOCK_TABLE.slot(memory, slot);
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
    Atomics.store(this.#self, IN_CALL, 1);
    while (Atomics.load(state, STATE) !== UNLOCKED) {
      this.#releaseRead();
      if (Atomics.load(state, STATE) === WRITE_PENDING) return 'closing';
      Atomics.wait(state, STATE, WRITING);
      Atomics.store(this.#self, IN_CALL, 1);
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
    Atomics.add(this.#self, STARTS, 1);
    const ended = (): void => {
      Atomics.sub(this.#self, STARTS, 1);
    };
    started.then(ended, ended);
  }

  #awaitCalls(): void {
    for (const thread of this.#threads) {
      while (Atomics.load(thread, IN_CALL) !== 0) Atomics.wait(thread, IN_CALL, 1);
    }
  }

  #hasStartsInProgress(): boolean {
    return this.#threads.some((thread) => Atomics.load(thread, STARTS) > 0);
  }

  #releaseRead(): void {
    leaveCall(this.#self);
  }
}

function leaveCall(thread: Int32Array): void {
  Atomics.store(thread, IN_CALL, 0);
  Atomics.notify(thread, IN_CALL);
}

function unlock(state: Int32Array): void {
  Atomics.store(state, STATE, UNLOCKED);
  Atomics.notify(state, STATE);
}

/** Releases the locks of a dead thread, so that nobody waits for it. */
export function releaseSpawnLockOf(memory: SharedArrayBuffer, slot: number, wasInitialising: boolean): void {
  const thread = SPAWN_LOCK_TABLE.slot(memory, slot);
  Atomics.store(thread, STARTS, 0);
  leaveCall(thread);
  if (wasInitialising) unlock(SPAWN_LOCK_TABLE.header(memory));
}
