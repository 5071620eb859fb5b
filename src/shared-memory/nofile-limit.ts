import { readFileSync } from 'node:fs';

/** The limit on open files, soft and hard, as getrlimit(2) has it. */
export type SoftHardLimit = readonly [soft: bigint, hard: bigint];

/**
 * The limit on open files that actions get. Node raises its soft limit to the hard one before any
 * script runs, so the launcher passes on what it was; actions that close every descriptor up to the limit,
 * or use select(2), rely on it.
 *
 * @param softBefore the soft limit before Node's start, from the launcher; undefined when unknown
 * @returns undefined where actions get the server's own
 */
export function actionNofileLimit(softBefore: string | undefined): SoftHardLimit | undefined {
  if (softBefore === undefined || !/^\d{1,18}$/.test(softBefore)) return undefined;
  const line = readFileSync('/proc/self/limits', 'utf8')
    .split('\n')
    .find((candidate) => candidate.startsWith('Max open files'));
  const [soft, hard] = (line ?? '').slice('Max open files'.length).trim().split(/\s+/);
  if (soft === softBefore || hard === undefined || !/^\d+$/.test(hard)) return undefined;
  return [BigInt(softBefore), BigInt(hard)];
}

const LOCK = 0;

/** The memory that the worker threads share for {@link NofileLimit}. */
export function createNofileMemory(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + slots) * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * Lowers the process's own soft limit for the moment in which a process is started, for that is where a new
 * process gets its limits from. Set afterwards it would come too late: a program reads it sooner than its
 * parent wakes up.
 *
 * While it is lowered, threads that need a descriptor beyond it find none; {@link withRaised} is for them. A
 * connection that can't be accepted in that moment is accepted in the next.
 */
export class NofileLimit {
  readonly #state: Int32Array;
  readonly #self: number;
  readonly #low: BigUint64Array;
  readonly #high: BigUint64Array;
  readonly #set: (limit: BigUint64Array) => void;

  /** @param set sets the process's limit, as prlimit(2) does */
  constructor(
    memory: SharedArrayBuffer,
    slot: number,
    [soft, hard]: SoftHardLimit,
    set: (limit: BigUint64Array) => void,
  ) {
    this.#state = new Int32Array(memory);
    this.#self = 1 + slot;
    this.#low = BigUint64Array.of(soft, hard);
    this.#high = BigUint64Array.of(hard, hard);
    this.#set = set;
  }

  /** What processes get that are started with it lowered. */
  get low(): SoftHardLimit {
    return this.#low as unknown as SoftHardLimit;
  }

  /** Runs the start of a process with the limit lowered. */
  withLowered<T>(start: () => T): T {
    this.#locked(() => {
      Atomics.store(this.#state, this.#self, 1);
      this.#set(this.#low);
    });
    try {
      return start();
    } finally {
      this.#locked(() => {
        Atomics.store(this.#state, this.#self, 0);
        if (!this.#anyLowered()) this.#set(this.#high);
      });
    }
  }

  /** Runs a call that found no descriptor once more, with the limit raised for sure. */
  withRaised<T>(call: () => T): T {
    return this.#locked(() => {
      this.#set(this.#high);
      try {
        return call();
      } finally {
        if (this.#anyLowered()) this.#set(this.#low);
      }
    });
  }

  #anyLowered(): boolean {
    for (let slot = 1; slot < this.#state.length; slot++)
      if (Atomics.load(this.#state, slot) !== 0) return true;
    return false;
  }

  /** Held for a few system calls only. */
  #locked<T>(work: () => T): T {
    let holder = Atomics.compareExchange(this.#state, LOCK, 0, this.#self);
    while (holder !== 0) {
      Atomics.wait(this.#state, LOCK, holder);
      holder = Atomics.compareExchange(this.#state, LOCK, 0, this.#self);
    }
    try {
      return work();
    } finally {
      Atomics.store(this.#state, LOCK, 0);
      Atomics.notify(this.#state, LOCK, 1);
    }
  }
}

/** Releases a dead thread's hold on the lowered limit; the next start sets the limit right. */
export function releaseNofileLimitOf(memory: SharedArrayBuffer, slot: number): void {
  const state = new Int32Array(memory);
  Atomics.store(state, 1 + slot, 0);
  if (Atomics.compareExchange(state, LOCK, 1 + slot, 0) === 1 + slot) Atomics.notify(state, LOCK, 1);
}
