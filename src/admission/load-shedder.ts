/** How long arrivals and ends are counted before they are compared. */
const WINDOW_MS = 250;
/** So many windows in a row must say the same before it counts: a burst is no overload, a lull is no end of it. */
const WINDOWS = 2;
/** Arrivals per end from which on there is too much to do, and below which it is over. */
const BEGINS_RATIO = 1.25;
const ENDS_RATIO = 1.1;
/** Fewer under way for each CPU are never too many. */
const LEAST_PER_CPU = 4;
/** How long an activation may take then: so long, or so many times the quickest one. */
const PATIENCE_MS = 25;
const PATIENCE_RATIO = 2;
/** After so long the quickest one is forgotten: actions change their ways. */
const MEMORY_MS = 30_000;

/**
 * Tells when more comes than the machine can do, and how many may be under way then: those that are let in keep
 * their latency, the others are told at once to come again, instead of all waiting for ever longer.
 *
 * Too much is: for a while more has come than has ended, and the CPUs had nothing left. So a burst is taken in,
 * actions that only wait may be as many as the limits allow, and callers who wait for their answers before they
 * send again are never refused. Then as many are let in as end within the patience (Little's law).
 */
export class LoadShedder {
  readonly #isSaturated: () => boolean;
  readonly #least: number;
  #windowMs: number;
  #offered = 0;
  #ended = 0;
  /** Windows in a row that spoke for the other state. */
  #streak = 0;
  #limit = Number.POSITIVE_INFINITY;
  #quickestMs = Number.POSITIVE_INFINITY;
  #quickestBeforeMs = Number.POSITIVE_INFINITY;
  #rememberedMs: number;

  /**
   * @param isSaturated whether the CPUs have had nothing left since it was asked last
   * @param nowMs now, on the clock of all other calls
   */
  constructor(cpus: number, isSaturated: () => boolean, nowMs: number) {
    this.#least = LEAST_PER_CPU * cpus;
    this.#isSaturated = isSaturated;
    this.#windowMs = nowMs;
    this.#rememberedMs = nowMs;
  }

  /** Whether activations are being refused. */
  get isShedding(): boolean {
    return this.#limit !== Number.POSITIVE_INFINITY;
  }

  /** An activation arrives. @returns whether it should be let in, with so many under way */
  admits(underWay: number, nowMs: number): boolean {
    if (nowMs - this.#windowMs >= WINDOW_MS) this.#compare(underWay, nowMs);
    this.#offered++;
    return underWay < this.#limit;
  }

  /** An activation that was let in has ended, after so long. */
  ended(tookMs: number): void {
    this.#ended++;
    if (tookMs < this.#quickestMs) this.#quickestMs = tookMs;
  }

  #compare(underWay: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#windowMs;
    const [offered, ended] = [this.#offered, this.#ended];
    this.#offered = 0;
    this.#ended = 0;
    this.#windowMs = nowMs;
    const ratio = this.isShedding ? ENDS_RATIO : BEGINS_RATIO;
    const isMany = this.isShedding || underWay >= this.#least;
    // Asked last, and not without need: it reads files.
    const isTooMuch = isMany && offered > ratio * ended && this.#isSaturated();
    this.#streak = isTooMuch === this.isShedding ? 0 : this.#streak + 1;
    // Nobody came for a while: whatever was, is over.
    const wasQuiet = elapsedMs > 2 * WINDOWS * WINDOW_MS;
    if (this.isShedding && (this.#streak >= WINDOWS || wasQuiet)) {
      this.#limit = Number.POSITIVE_INFINITY;
      this.#streak = 0;
    } else if (isTooMuch && (this.isShedding || this.#streak >= WINDOWS)) {
      const patienceMs = Math.max(PATIENCE_MS, PATIENCE_RATIO * this.#quickest(nowMs));
      this.#limit = Math.max(this.#least, (ended / elapsedMs) * patienceMs);
      this.#streak = 0;
    }
  }

  #quickest(nowMs: number): number {
    if (nowMs - this.#rememberedMs > MEMORY_MS) {
      this.#quickestBeforeMs = this.#quickestMs;
      this.#quickestMs = Number.POSITIVE_INFINITY;
      this.#rememberedMs = nowMs;
    }
    const quickest = Math.min(this.#quickestMs, this.#quickestBeforeMs);
    return Number.isFinite(quickest) ? quickest : 0;
  }
}
