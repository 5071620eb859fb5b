/**
 * What each worker thread holds of the system, in memory that the main thread sees too: pids and
 * descriptors of the activations in flight. A thread that dies leaves no other trace of them, and neither
 * the kernel nor Node gives them back.
 */

import { SharedTable } from './shared-table.js';

const ENTRY_FIELDS = 5;
const MAX_ENTRIES = 4096;
/** In a slot before the entries: the thread that owns it, and its epoll descriptor plus one. */
const OWNER = 0;
const REACTOR = 1;
const ENTRIES = 2;
const TABLE = new SharedTable(Int32Array, 0, ENTRIES + MAX_ENTRIES * ENTRY_FIELDS);

/** The places of an entry; descriptors are stored plus one, so that 0 is none. */
export const PID = 0;
export const STDIN = 1;
export const STDOUT = 2;
export const STDERR = 3;
export const PIDFD = 4;
type Field = typeof PID | typeof STDIN | typeof STDOUT | typeof STDERR | typeof PIDFD;

/** The main thread, whose number 0 stands for a slot that is free. */
const MAIN_THREAD = -1;

/** The memory for that many worker threads, to be handed to each, and for the main thread. */
export function createResourceMemory(slots: number): SharedArrayBuffer {
  return TABLE.create(slots + 1);
}

/** One thread's side. */
export class ResourceTable {
  /** The slot this thread has taken; the main thread has the last one. */
  readonly slot: number;
  readonly #memory: SharedArrayBuffer;
  readonly #fields: Int32Array;
  readonly #free: number[] = [];
  #used = 0;
  #unrecorded = 0;

  /**
   * @param threadId of a worker thread; 0 for the main thread
   * @throws Error when every slot is taken
   */
  constructor(memory: SharedArrayBuffer, threadId: number) {
    const slots = TABLE.slots(memory);
    const last = slots.length - 1;
    this.slot =
      threadId === 0
        ? last
        : slots.findIndex(
            (cells, slot) => slot < last && Atomics.compareExchange(cells, OWNER, 0, threadId) === 0,
          );
    if (this.slot < 0) throw new Error('no free slot for a worker thread');
    this.#memory = memory;
    this.#fields = TABLE.slot(memory, this.slot);
    if (threadId === 0) Atomics.store(this.#fields, OWNER, MAIN_THREAD);
  }

  /** Notes the thread's epoll descriptor. */
  recordReactor(fd: number): void {
    Atomics.store(this.#fields, REACTOR, fd + 1);
  }

  /** Opens an entry for a process; -1 when all are taken, and then nothing is noted of it. */
  open(): number {
    const entry = this.#free.pop() ?? (this.#used < MAX_ENTRIES ? this.#used++ : -1);
    if (entry < 0) this.#unrecorded++;
    return entry;
  }

  /** Whether everything that is held is noted. */
  get isComplete(): boolean {
    return this.#unrecorded === 0;
  }

  set(entry: number, field: Field, value: number): void {
    if (entry >= 0) Atomics.store(this.#fields, ENTRIES + entry * ENTRY_FIELDS + field, value);
  }

  /** To be called before the thing itself is given back: its number may be another's at once. */
  clear(entry: number, field: Field): void {
    this.set(entry, field, 0);
  }

  /** The processes in flight, of every thread. */
  pidsOfAll(): number[] {
    return pidsInFlight(this.#memory);
  }

  /** Closes an entry whose fields are all cleared. */
  close(entry: number): void {
    if (entry >= 0) this.#free.push(entry);
    else this.#unrecorded--;
  }
}

/**
 * Moves two pipes of a process out of the table; the main thread closes them from now on. Only it reclaims a dead
 * thread's descriptors, so none is closed twice.
 *
 * @returns whether they were there; false if their thread's resources were reclaimed, and the pipes closed with them
 */
export function transferPipes(
  memory: SharedArrayBuffer,
  pid: number,
  stdin: number,
  stdout: number,
): boolean {
  for (const cells of ownedSlots(memory)) {
    for (let at = ENTRIES; at < cells.length; at += ENTRY_FIELDS) {
      if (Atomics.load(cells, at + STDIN) !== stdin + 1 || Atomics.load(cells, at + STDOUT) !== stdout + 1)
        continue;
      // The numbers may be another process's by now; one that has been reaped has none in its entry.
      const owner = Atomics.load(cells, at + PID);
      if (owner !== pid && owner !== 0) continue;
      Atomics.store(cells, at + STDIN, 0);
      Atomics.store(cells, at + STDOUT, 0);
      return true;
    }
  }
  return false;
}

/** Processes and descriptors of a thread that has died. */
interface OrphanedResources {
  readonly slot: number;
  readonly pids: readonly number[];
  readonly descriptors: readonly number[];
}

/** Reclaims what the thread held, and frees its slot; undefined if it had none. */
export function reclaimResources(memory: SharedArrayBuffer, threadId: number): OrphanedResources | undefined {
  const slots = TABLE.slots(memory);
  const slot = slots.findIndex((one) => Atomics.load(one, OWNER) === threadId);
  const cells = slots[slot];
  if (cells === undefined) return undefined;
  const pids: number[] = [];
  const descriptors: number[] = [];
  for (let at = ENTRIES; at < cells.length; at++) {
    const value = Atomics.exchange(cells, at, 0);
    if (value === 0) continue;
    if ((at - ENTRIES) % ENTRY_FIELDS === PID) pids.push(value);
    else descriptors.push(value - 1);
  }
  const reactor = Atomics.exchange(cells, REACTOR, 0);
  if (reactor !== 0) descriptors.push(reactor - 1);
  Atomics.store(cells, OWNER, 0);
  return { slot, pids, descriptors };
}

/** The pids of all processes in flight, of every thread. */
export function pidsInFlight(memory: SharedArrayBuffer): number[] {
  const pids: number[] = [];
  for (const cells of ownedSlots(memory)) {
    for (let at = ENTRIES + PID; at < cells.length; at += ENTRY_FIELDS) {
      const pid = Atomics.load(cells, at);
      if (pid !== 0) pids.push(pid);
    }
  }
  return pids;
}

/** The slots of threads that live, or that are not reclaimed yet. */
function ownedSlots(memory: SharedArrayBuffer): Int32Array[] {
  return TABLE.slots(memory).filter((cells) => Atomics.load(cells, OWNER) !== 0);
}
