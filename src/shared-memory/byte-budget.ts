import { SharedTable } from './shared-table.js';

/** What is counted: pages of that many bytes, so that the counts fit into 32 bits. */
const PAGE_BYTES = 4096;
const LIMIT = 0;
const USED = 1;
/** For all threads together the limit and what is used; for each what it holds. */
const TABLE = new SharedTable(Int32Array, 2, 1);

/**
 * The memory of a budget that all threads share.
 *
 * @param slots how many threads there may be
 */
export function createBudgetMemory(slots: number, limitBytes: number): SharedArrayBuffer {
  const memory = TABLE.create(slots);
  TABLE.header(memory)[LIMIT] = Math.min(Math.ceil(limitBytes / PAGE_BYTES), 2 ** 31 - 1);
  return memory;
}

/** A thread has died: what it held is free. */
export function releaseReservationsOf(memory: SharedArrayBuffer, slot: number): void {
  Atomics.sub(TABLE.header(memory), USED, Atomics.exchange(TABLE.slot(memory, slot), 0, 0));
}

/** A common limit on the bytes of request bodies and results that the threads of a server hold. */
export class ByteBudget {
  readonly #shared: Int32Array;
  readonly #held: Int32Array;

  /** @param slot the thread's number in the memory that threads share; undefined: the last, the main thread's */
  constructor(memory: SharedArrayBuffer, slot?: number) {
    const slots = TABLE.slots(memory);
    this.#shared = TABLE.header(memory);
    this.#held = slots.at(slot ?? -1) as Int32Array;
  }

  get limitBytes(): number {
    return (this.#shared[LIMIT] as number) * PAGE_BYTES;
  }

  /** What is held now, in all threads. */
  get usedBytes(): number {
    return Atomics.load(this.#shared, USED) * PAGE_BYTES;
  }

  /** What nobody holds. */
  get freeBytes(): number {
    return Math.max(0, this.limitBytes - this.usedBytes);
  }

  /** Begins to hold something of no bytes. */
  reserve(): ByteReservation {
    return new ByteReservation((pages, must) => this.#take(pages, must));
  }

  #take(pages: number, must: boolean): boolean {
    const used = Atomics.add(this.#shared, USED, pages) + pages;
    if (!must && pages > 0 && used > (this.#shared[LIMIT] as number)) {
      Atomics.sub(this.#shared, USED, pages);
      return false;
    }
    Atomics.add(this.#held, 0, pages);
    return true;
  }
}

/** What one body or result takes of a {@link ByteBudget}. */
export class ByteReservation {
  readonly #take: (pages: number, must: boolean) => boolean;
  #pages = 0;

  /** @param take takes pages of the budget, or gives them back where they are negative */
  constructor(take: (pages: number, must: boolean) => boolean) {
    this.#take = take;
  }

  /** Makes it that many bytes. @returns false, and nothing is changed, if the budget does not have them */
  resize(bytes: number): boolean {
    return this.#resize(bytes, false);
  }

  /** Makes it that many bytes, of memory that is there already. */
  setUnchecked(bytes: number): void {
    this.#resize(bytes, true);
  }

  /** Gives all back; it may be used again. */
  release(): void {
    if (this.#pages > 0) this.#resize(0, true);
  }

  #resize(bytes: number, must: boolean): boolean {
    const pages = Math.ceil(bytes / PAGE_BYTES);
    if (pages === this.#pages) return true;
    if (!this.#take(pages - this.#pages, must)) return false;
    this.#pages = pages;
    return true;
  }
}
