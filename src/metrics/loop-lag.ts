/** How often it is looked, while work comes in, how late a timer goes off. */
const BEAT_MS = 100;
/** The worst is told for that long, and for as long again at most. */
const WINDOW_MS = 15_000;

/** The numbers of one thread: whose they are, since when its window lasts, the worst of it and of the one before. */
const THREAD = 0;
const SINCE = 1;
const WORST = 2;
const BEFORE = 3;
const FIELDS = 4;

/** The memory for that many threads, which the main thread reads. */
export function createLagMemory(slots: number): SharedArrayBuffer {
  return new SharedArrayBuffer(slots * FIELDS * Float64Array.BYTES_PER_ELEMENT);
}

/** The numbers of one slot of that memory. */
export function lagCells(memory: SharedArrayBuffer, slot: number): Float64Array {
  return new Float64Array(memory, slot * FIELDS * Float64Array.BYTES_PER_ELEMENT, FIELDS);
}

/** The longest that the thread's event loop was late of late, in seconds; 0 where it has had nothing to do. */
export function worstLagSeconds(cells: Float64Array, nowMs = sharedNowMs()): number {
  const ageMs = nowMs - (cells[SINCE] as number);
  if (ageMs >= 2 * WINDOW_MS) return 0;
  const worst = cells[WORST] as number;
  return (ageMs >= WINDOW_MS ? worst : Math.max(worst, cells[BEFORE] as number)) / 1000;
}

/** The cells of a thread; undefined where it has not begun. */
export function lagCellsOf(memory: SharedArrayBuffer, threadId: number): Float64Array | undefined {
  const slots = memory.byteLength / (FIELDS * Float64Array.BYTES_PER_ELEMENT);
  for (let slot = 0; slot < slots; slot++) {
    const cells = lagCells(memory, slot);
    if (cells[THREAD] === threadId) return cells;
  }
  return undefined;
}

/**
 * Watches how late a thread's event loop is. A timer runs only while work comes in: at rest nothing wakes up,
 * and a container that is frozen then shows no pause.
 */
export class LoopLag {
  readonly cells: Float64Array;
  #timer: NodeJS.Timeout | undefined;
  #beating = false;
  #touched = false;
  #dueMs = 0;

  /** @param cells {@link lagCells} of its own */
  constructor(cells: Float64Array, threadId: number) {
    this.cells = cells;
    cells.fill(0);
    cells[THREAD] = threadId;
  }

  /** Work has come: cheap enough for each activation. */
  touch(): void {
    this.#touched = true;
    if (!this.#beating) this.#begin();
  }

  #begin(): void {
    this.#beating = true;
    this.#dueMs = performance.now() + BEAT_MS;
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#look(), BEAT_MS).unref();
    else this.#timer.refresh();
  }

  #look(): void {
    this.#note(Math.max(0, performance.now() - this.#dueMs));
    this.#beating = false;
    if (!this.#touched) return;
    this.#touched = false;
    this.#begin();
  }

  #note(lateMs: number): void {
    const { cells } = this;
    const now = sharedNowMs();
    const ageMs = now - (cells[SINCE] as number);
    if (ageMs >= WINDOW_MS) {
      cells[BEFORE] = ageMs >= 2 * WINDOW_MS ? 0 : (cells[WORST] as number);
      cells[WORST] = 0;
      cells[SINCE] = now;
    }
    if (lateMs > (cells[WORST] as number)) cells[WORST] = lateMs;
  }
}

/** A clock that all threads share and nobody sets. */
function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}
