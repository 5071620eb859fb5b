/**
 * What each worker thread holds of the system, in memory that the main thread sees too: pids and
 * descriptors of the activations in flight. A thread that dies leaves no other trace of them, and neither
 * the kernel nor Node gives them back.
 */

const ENTRY_FIELDS = 5;
const MAX_ENTRIES = 4096;
/** Before the entries: the thread that owns the slot, and its epoll descriptor plus one. */
const HEADER_FIELDS = 2;
const SLOT_FIELDS = HEADER_FIELDS + MAX_ENTRIES * ENTRY_FIELDS;

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
  return new SharedArrayBuffer((slots + 1) * SLOT_FIELDS * Int32Array.BYTES_PER_ELEMENT);
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
    const all = new Int32Array(memory);
    const last = all.length / SLOT_FIELDS - 1;
    let slot = threadId === 0 ? last : 0;
    const owner = threadId === 0 ? MAIN_THREAD : threadId;
    while (slot < last && Atomics.compareExchange(all, slot * SLOT_FIELDS, 0, owner) !== 0) slot++;
    if (slot === last) {
      if (threadId !== 0) throw new Error('no free slot for a worker thread');
      Atomics.store(all, slot * SLOT_FIELDS, owner);
    }
    this.#memory = memory;
    this.slot = slot;
    this.#fields = all.subarray(slot * SLOT_FIELDS, (slot + 1) * SLOT_FIELDS);
  }

  /** Notes the thread's epoll descriptor. */
  recordReactor(fd: number): void {
    Atomics.store(this.#fields, 1, fd + 1);
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
    if (entry >= 0) Atomics.store(this.#fields, HEADER_FIELDS + entry * ENTRY_FIELDS + field, value);
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
  const all = new Int32Array(memory);
  for (let base = 0; base < all.length; base += SLOT_FIELDS) {
    if (Atomics.load(all, base) === 0) continue;
    for (let at = base + HEADER_FIELDS; at < base + SLOT_FIELDS; at += ENTRY_FIELDS) {
      if (Atomics.load(all, at + STDIN) !== stdin + 1 || Atomics.load(all, at + STDOUT) !== stdout + 1)
        continue;
      // The numbers may be another process's by now; one that has been reaped has none in its entry.
      const owner = Atomics.load(all, at + PID);
      if (owner !== pid && owner !== 0) continue;
      Atomics.store(all, at + STDIN, 0);
      Atomics.store(all, at + STDOUT, 0);
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
  const all = new Int32Array(memory);
  for (let base = 0; base < all.length; base += SLOT_FIELDS) {
    if (Atomics.load(all, base) !== threadId) continue;
    const pids: number[] = [];
    const descriptors: number[] = [];
    for (let at = base + HEADER_FIELDS; at < base + SLOT_FIELDS; at++) {
      const value = Atomics.exchange(all, at, 0);
      if (value === 0) continue;
      if ((at - base - HEADER_FIELDS) % ENTRY_FIELDS === PID) pids.push(value);
      else descriptors.push(value - 1);
    }
    const reactor = Atomics.exchange(all, base + 1, 0);
    if (reactor !== 0) descriptors.push(reactor - 1);
    Atomics.store(all, base, 0);
    return { slot: base / SLOT_FIELDS, pids, descriptors };
  }
  return undefined;
}

/** The pids of all processes in flight, of every thread. */
export function pidsInFlight(memory: SharedArrayBuffer): number[] {
  const all = new Int32Array(memory);
  const pids: number[] = [];
  for (let base = 0; base < all.length; base += SLOT_FIELDS) {
    if (Atomics.load(all, base) === 0) continue;
    for (let at = base + HEADER_FIELDS + PID; at < base + SLOT_FIELDS; at += ENTRY_FIELDS) {
      const pid = Atomics.load(all, at);
      if (pid !== 0) pids.push(pid);
    }
  }
  return pids;
}
