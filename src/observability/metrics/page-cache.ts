/** A page of metrics. */
export interface Page {
  readonly type: string;
  readonly text: string;
}

/** Pages that may be made without a pause in between, so that whoever looks now and then gets the numbers of the moment. */
export const MAX_PAGES_IN_A_ROW = 10;
/** Beyond that: one page in that time, which everybody gets who comes meanwhile. */
export const KEPT_MS = 1000;

interface Kept {
  page: Page;
  madeMs: number;
}

/**
 * Makes pages no more often than the main thread can afford, however many ask for them: a page takes it some milliseconds,
 * in which no activation is answered.
 */
export class PageCache {
  readonly #now: () => number;
  readonly #kept = new Map<string, Kept>();
  readonly #pending = new Map<string, Promise<Page>>();
  #left = MAX_PAGES_IN_A_ROW;
  #countedMs: number;

  /** @param now milliseconds by a clock that never goes back */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#countedMs = now();
  }

  /**
   * The page of a format, at most {@link KEPT_MS} old. Callers that come while it is made get the same one.
   *
   * @param make makes it; what it throws goes to everybody who waits
   */
  get(format: string, make: () => Promise<Page>): Promise<Page> {
    const underWay = this.#pending.get(format);
    if (underWay !== undefined) return underWay;
    const nowMs = this.#now();
    this.#left = Math.min(MAX_PAGES_IN_A_ROW, this.#left + (nowMs - this.#countedMs) / KEPT_MS);
    this.#countedMs = nowMs;
    const kept = this.#kept.get(format);
    if (this.#left < 1 && kept !== undefined && nowMs - kept.madeMs < KEPT_MS)
      return Promise.resolve(kept.page);
    this.#left = Math.max(0, this.#left - 1);
    const made = this.#make(format, make).finally(() => this.#pending.delete(format));
    this.#pending.set(format, made);
    return made;
  }

  async #make(format: string, make: () => Promise<Page>): Promise<Page> {
    const madeMs = this.#now();
    const page = await make();
    this.#kept.set(format, { page, madeMs });
    return page;
  }
}
