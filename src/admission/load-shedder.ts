/** How long arrivals and ends are counted before they are compared. */
const WINDOW_MS = 250;
/** So many windows in a row must say the same before it counts: a burst is no overload, a lull is no end of it. */
const WINDOWS_TO_START = 4;
const WINDOWS_TO_STOP = 2;
/** Arrivals per end from which on there is too much to do, and below which it is over. */
const START_RATIO = 1.25;
const STOP_RATIO = 1.1;
/** Fewer under way for each CPU are never too many. */
const MIN_IN_FLIGHT_PER_CPU = 4;
/** What becomes of the limit in each window: while the CPUs have nothing left, and when they have. */
const SHRINK_FACTOR = 0.7;
const GROWTH_FACTOR = 1.5;

/**
 * Tells when more comes than the machine can do, and how many may be under way then: those that are let in keep
 * their latency, the others are told at once to come again, instead of all waiting for ever longer.
 *
 * Too much is: for a while more has come than has ended, and the CPUs had nothing left. So a burst is taken in,
 * actions that only wait may be as many as the limits allow, and callers who wait for their answers before they
 * send again are never refused.
 *
 * Then the limit is made smaller as long as the CPUs stay busy, and larger when they do not: what is under way
 * beyond that does nothing but wait for a CPU. So it finds its size for actions that compute and for such that
 * mostly wait.
 */
export class LoadShedder {
  readonly #isSaturated: () => boolean;
  readonly #minLimit: number;
  #windowMs: number;
  #offered = 0;
  #ended = 0;
  /** Windows in a row that spoke for the other state. */
  #streak = 0;
  #limit = Number.POSITIVE_INFINITY;

  /**
   * @param isSaturated whether the CPUs have had nothing left since it was asked last
   * @param nowMs now, on the clock of all other calls
   */
  constructor(cpus: number, isSaturated: () => boolean, nowMs: number) {
    this.#minLimit = MIN_IN_FLIGHT_PER_CPU * cpus;
    this.#isSaturated = isSaturated;
    this.#windowMs = nowMs;
  }

  /** Whether activations are being refused. */
  get isShedding(): boolean {
    return this.#limit !== Number.POSITIVE_INFINITY;
  }

  /** An activation arrives. @returns whether it should be let in, with so many under way */
  admits(inFlight: number, nowMs: number): boolean {
    if (nowMs - this.#windowMs >= WINDOW_MS) this.#compare(inFlight, nowMs);
    this.#offered++;
    return inFlight < this.#limit;
  }

  /** An activation that was let in has ended. */
  ended(): void {
    this.#ended++;
  }

  #compare(inFlight: number, nowMs: number): void {
    const elapsedMs = nowMs - this.#windowMs;
    const [offered, ended] = [this.#offered, this.#ended];
    this.#offered = 0;
    this.#ended = 0;
    this.#windowMs = nowMs;
    // Nobody came for a while: whatever was, is over.
    if (elapsedMs > WINDOWS_TO_START * WINDOW_MS) {
      this.#limit = Number.POSITIVE_INFINITY;
      this.#streak = 0;
    } else if (this.isShedding) {
      this.#adjust(offered / Math.max(1, ended), inFlight);
    } else {
      this.#begin(offered, ended, inFlight);
    }
  }

  #begin(offered: number, ended: number, inFlight: number): void {
    // Of few nothing can be told: callers who come and go in step make any ratio.
    const grows = offered - ended >= this.#minLimit && offered > START_RATIO * ended;
    // The CPUs are asked last, and not without need: that reads files.
    const isTooMuch = grows && inFlight >= this.#minLimit && this.#isSaturated();
    this.#streak = isTooMuch ? this.#streak + 1 : 0;
    if (this.#streak < WINDOWS_TO_START) return;
    this.#limit = Math.max(this.#minLimit, inFlight * SHRINK_FACTOR);
    this.#streak = 0;
  }

  #adjust(ratio: number, inFlight: number): void {
    this.#streak = ratio > STOP_RATIO ? 0 : this.#streak + 1;
    if (this.#streak >= WINDOWS_TO_STOP) {
      this.#limit = Number.POSITIVE_INFINITY;
      this.#streak = 0;
    } else {
      const next = this.#isSaturated()
        ? Math.min(this.#limit, inFlight) * SHRINK_FACTOR
        : this.#limit * GROWTH_FACTOR;
      this.#limit = Math.max(this.#minLimit, next);
    }
  }
}
