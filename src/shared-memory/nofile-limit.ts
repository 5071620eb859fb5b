import { readFileSync } from 'node:fs';
import { Mutex } from './mutex.js';
import { SharedTable } from './shared-table.js';

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

/** The lock of all threads, and for each whether it has lowered the limit. */
export const NOFILE_TABLE = new SharedTable(Int32Array, 1, 1);

/**
 * Lowers the process's own soft limit for the moment in which a process is started, for that is where a new
 * process gets its limits from. Set afterwards it would come too late: a program reads it sooner than its
 * parent wakes up.
 *
 * While it is lowered, threads that need a descriptor beyond it find none; {@link withRaised} is for them. A
 * connection that can't be accepted in that moment is accepted in the next.
 */
export class NofileLimit {
  readonly #threads: readonly Int32Array[];
  readonly #self: Int32Array;
  readonly #mutex: Mutex;
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
    this.#threads = NOFILE_TABLE.slots(memory);
    this.#self = NOFILE_TABLE.slot(memory, slot);
    this.#mutex = mutexOf(memory, slot);
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
      Atomics.store(this.#self, 0, 1);
      this.#set(this.#low);
    });
    try {
      return start();
    } finally {
      this.#locked(() => {
        Atomics.store(this.#self, 0, 0);
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
    return this.#threads.some((thread) => Atomics.load(thread, 0) !== 0);
  }

  /** Held for a few system calls only. */
  #locked<T>(work: () => T): T {
    this.#mutex.lock();
    try {
      return work();
    } finally {
      this.#mutex.unlock();
    }
  }
}

/** Releases a dead thread's hold on the lowered limit; the next start sets the limit right. */
export function releaseNofileLimitOf(memory: SharedArrayBuffer, slot: number): void {
  Atomics.store(NOFILE_TABLE.slot(memory, slot), 0, 0);
  mutexOf(memory, slot).unlock();
}

function mutexOf(memory: SharedArrayBuffer, slot: number): Mutex {
  return new Mutex(NOFILE_TABLE.header(memory), 0, slot + 1);
}
