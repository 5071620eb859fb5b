import type { ActionLoopChannel } from './channel.js';

/** The first answers of a process are each followed by a moment of quiet. */
const COOLDOWN_ANSWERS = 3;
/** The shortest and the longest moment of quiet. */
const MIN_COOLDOWN_MS = 5;
const MAX_COOLDOWN_MS = 100;
/** Under continuous load a process rests one part in so many of the time. */
const COOLDOWN_SHARE = 200;
/** So many answers of a new process are each followed by a look at it. */
const CHECKED_ANSWERS = 1000;
/** A trusted process is not waited for before it has been given so many times the requests without a look. */
const UNCHECKED_FACTOR = 4;
/** So long it is looked in each turn of the event loop whether the process waits; then by timers. */
const SPIN_MS = 1;
/** A turn counts for so much at most: a server that was held up has not looked meanwhile. */
const MAX_TURN_MS = 0.25;
const MAX_POLL_INTERVAL_MS = 16;
/** A process that is not seen waiting for so long gets its request all the same. */
const MAX_WAIT_MS = 1000;
/** After so many requests in a row that were given that way, nobody waits for the sight any more. */
const MAX_UNSEEN = 3;

/** What is known of all processes of one action. */
export interface ActionTrust {
  /** Whether one of them has written a line that answers nothing. */
  misbehaved: boolean;
}

/**
 * Decides when a process may be given a request while it has none (C-AL-18). The protocol has no numbers: a line
 * that the process has yet to write for an earlier request would be taken for the answer to this one. So the
 * process must be seen waiting for its next line first. Whatever it wrote before that is in the pipe by then.
 *
 * Under load that costs a part of the rate: the process has to fall asleep and to be woken for each request. So a
 * process that has answered many times, of an action that never wrote a line too many, is looked at before each Nth
 * request only.
 *
 * That proves nothing of a process that writes from several threads or processes, or from an event loop. Against
 * those there are moments of quiet, in which no request is given and a line too many shows.
 */
export class Readiness {
  readonly #channel: ActionLoopChannel;
  readonly #trust: ActionTrust;
  readonly #checkEvery: number;
  readonly #onChange: () => void;
  #pending: { cancel(): void } | undefined;
  #seen = 0;
  #unseen = 0;
  #unchecked = 0;
  #waitedMs = 0;
  #answers = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #cooldownMs = performance.now();
  #maxAnswerMs = 0;

  /**
   * @param checkEvery before each so many-th request a trusted process is looked at; 1: before each
   * @param onChange is called when {@link isReady} may have another answer than before
   */
  constructor(channel: ActionLoopChannel, trust: ActionTrust, checkEvery: number, onChange: () => void) {
    this.#channel = channel;
    this.#trust = trust;
    this.#checkEvery = checkEvery;
    this.#onChange = onChange;
    if (!channel.canObserveWaits) this.#unseen = MAX_UNSEEN;
  }

  /** Notes an answer, after which the process has none to give, and how long it took. */
  answered(tookMs: number): void {
    this.#answers++;
    this.#answeredMs = performance.now();
    this.#maxAnswerMs = Math.max(this.#maxAnswerMs, tookMs);
  }

  /** Whether the process may be given a request now. */
  isReady(): boolean {
    if (this.#pending !== undefined) return false;
    if (this.#mustCoolDown()) return false;
    if (this.#unseen >= MAX_UNSEEN || this.#isSkipped()) return true;
    if (this.#channel.isWaitingForInput(this.#waitedMs >= SPIN_MS)) {
      this.#unseen = 0;
      if (this.#seen++ >= this.#channel.turnsUntilRead) return this.#allow();
      this.#pollNextTurn();
      return false;
    }
    this.#seen = 0;
    if (this.#isTrusted && this.#unchecked < UNCHECKED_FACTOR * this.#checkEvery) return true;
    if (this.#waitedMs >= MAX_WAIT_MS) {
      this.#unseen++;
      return this.#allow();
    }
    if (this.#waitedMs < SPIN_MS) this.#pollNextTurn();
    else this.#pollAfter(Math.min(MAX_POLL_INTERVAL_MS, Math.ceil(this.#waitedMs / 4)));
    return false;
  }

  /** Whether a request waits for the process, which is not seen waiting for one. */
  get isAwaited(): boolean {
    return this.#waitedMs > 0;
  }

  stop(): void {
    this.#pending?.cancel();
    this.#pending = { cancel: () => {} };
  }

  /** Whether a trusted process gets this request without a look at it. */
  #isSkipped(): boolean {
    if (!this.#isTrusted || this.#seen > 0 || this.#unchecked >= UNCHECKED_FACTOR * this.#checkEvery)
      return false;
    return ++this.#unchecked % this.#checkEvery !== 0;
  }

  get #isTrusted(): boolean {
    return this.#checkEvery > 1 && this.#answers >= CHECKED_ANSWERS && !this.#trust.misbehaved;
  }

  #allow(): true {
    this.#unchecked = 0;
    this.#seen = 0;
    this.#waitedMs = 0;
    return true;
  }

  #mustCoolDown(): boolean {
    const now = performance.now();
    const quietMs = Math.min(MAX_COOLDOWN_MS, Math.max(MIN_COOLDOWN_MS, this.#maxAnswerMs));
    if (now - this.#answeredMs >= quietMs) {
      this.#cooldownMs = now;
      return false;
    }
    if (this.#answers > COOLDOWN_ANSWERS && now - this.#cooldownMs < COOLDOWN_SHARE * quietMs) return false;
    this.#maxAnswerMs = 0;
    const timer = setTimeout(() => {
      this.#pending = undefined;
      this.#cooldownMs = performance.now();
      this.#answeredMs = Number.NEGATIVE_INFINITY;
      this.#onChange();
    }, quietMs);
    this.#pending = { cancel: () => clearTimeout(timer) };
    return true;
  }

  #pollNextTurn(): void {
    const begunMs = performance.now();
    const immediate = setImmediate(() => {
      this.#waitedMs += Math.min(MAX_TURN_MS, performance.now() - begunMs);
      this.#pending = undefined;
      this.#onChange();
    });
    this.#pending = { cancel: () => clearImmediate(immediate) };
  }

  #pollAfter(pauseMs: number): void {
    const timer = setTimeout(() => {
      this.#waitedMs += pauseMs;
      this.#pending = undefined;
      this.#onChange();
    }, pauseMs);
    this.#pending = { cancel: () => clearTimeout(timer) };
  }
}
