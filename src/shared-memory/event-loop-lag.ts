import { SharedTable } from './shared-table.js';

/** How often it is looked, while work comes in, how late a timer goes off. */
const TICK_MS = 100;
/** A window's maximum is reported until the next window ends: for 15 to 30 s. */
const WINDOW_MS = 15_000;

/** The numbers of one thread: whose they are, since when its window lasts, the worst of it and of the one before. */
const THREAD = 0;
const SINCE = 1;
const MAX = 2;
const PREVIOUS_MAX = 3;
/** Written by the threads, read by the main thread. */
export const LAG_TABLE = new SharedTable(Float64Array, 0, 4);

/** Worst recent event-loop delay of the thread, in seconds; 0 if the thread was idle. */
export function maxLagSeconds(cells: Float64Array, nowMs = sharedNowMs()): number {
  const ageMs = nowMs - (cells[SINCE] as number);
  if (ageMs >= 2 * WINDOW_MS) return 0;
  const worst = cells[MAX] as number;
  return (ageMs >= WINDOW_MS ? worst : Math.max(worst, cells[PREVIOUS_MAX] as number)) / 1000;
}

/** The cells of a thread; undefined where it has not begun. */
export function lagCellsOf(memory: SharedArrayBuffer, threadId: number): Float64Array | undefined {
  return LAG_TABLE.slots(memory).find((cells) => cells[THREAD] === threadId);
}

/**
 * Watches how late a thread's event loop is. A timer runs only while work comes in: at rest nothing wakes up,
 * and a container that is frozen then shows no pause.
 */
export class EventLoopLag {
  readonly cells: Float64Array;
  #timer: NodeJS.Timeout | undefined;
  #ticking = false;
  #touched = false;
  #dueMs = 0;

  /** @param cells a slot of {@link LAG_TABLE} */
  constructor(cells: Float64Array, threadId: number) {
    this.cells = cells;
    cells.fill(0);
    cells[THREAD] = threadId;
  }

  /** Work has come: cheap enough for each activation. */
  touch(): void {
    this.#touched = true;
    if (!this.#ticking) this.#begin();
  }

  #begin(): void {
    this.#ticking = true;
    this.#dueMs = performance.now() + TICK_MS;
    if (this.#timer === undefined) this.#timer = setTimeout(() => this.#tick(), TICK_MS).unref();
    else this.#timer.refresh();
  }

  #tick(): void {
    this.#record(Math.max(0, performance.now() - this.#dueMs));
    this.#ticking = false;
    if (!this.#touched) return;
    this.#touched = false;
    this.#begin();
  }

  #record(lateMs: number): void {
    const { cells } = this;
    const now = sharedNowMs();
    const ageMs = now - (cells[SINCE] as number);
    if (ageMs >= WINDOW_MS) {
      cells[PREVIOUS_MAX] = ageMs >= 2 * WINDOW_MS ? 0 : (cells[MAX] as number);
      cells[MAX] = 0;
      cells[SINCE] = now;
    }
    if (lateMs > (cells[MAX] as number)) cells[MAX] = lateMs;
  }
}

/** A clock that all threads share and nobody sets. */
function sharedNowMs(): number {
  return performance.timeOrigin + performance.now();
}
