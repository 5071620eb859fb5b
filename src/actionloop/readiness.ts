import type { LoopChannel } from './channel.js';

/** The first answers of a process are each followed by a moment of quiet. */
const WATCHED_ANSWERS = 3;
/** The shortest and the longest moment of quiet. */
const MIN_QUIET_MS = 5;
const MAX_QUIET_MS = 100;
/** Under continuous load a process rests one part in so many of the time. */
const QUIET_SHARE = 200;
/** So many answers of a new process are each followed by a look at it. */
const STRICT_ANSWERS = 1000;
/** A trusted process is not waited for before it has been given so many times the requests without a look. */
const CREDIT = 4;
/** So long it is looked in each turn of the event loop whether the process waits; then by timers. */
const SPIN_MS = 1;
/** A turn counts for so much at most: a server that was held up has not looked meanwhile. */
const MAX_TURN_MS = 0.25;
const MAX_PAUSE_MS = 16;
/** A process that is not seen waiting for so long gets its request all the same. */
const PATIENCE_MS = 1000;
/** After so many requests in a row that were given that way, nobody waits for the sight any more. */
const MAX_UNSEEN = 3;

/** What is known of all processes of one action. */
export interface Trust {
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
  readonly #channel: LoopChannel;
  readonly #trust: Trust;
  readonly #checkEvery: number;
  readonly #askAgain: () => void;
  #pending: { cancel(): void } | undefined;
  #seen = 0;
  #unseen = 0;
  #unchecked = 0;
  #waitedMs = 0;
  #answers = 0;
  #answeredMs = Number.NEGATIVE_INFINITY;
  #quietMs = performance.now();
  #longestMs = 0;

  /**
   * @param checkEvery before each so many-th request a trusted process is looked at; 1: before each
   * @param askAgain is called when {@link ready} may have another answer than before
   */
  constructor(channel: LoopChannel, trust: Trust, checkEvery: number, askAgain: () => void) {
    this.#channel = channel;
    this.#trust = trust;
    this.#checkEvery = checkEvery;
    this.#askAgain = askAgain;
    if (!channel.showsWaits) this.#unseen = MAX_UNSEEN;
  }

  /** Notes an answer, after which the process has none to give, and how long it took. */
  answered(tookMs: number): void {
    this.#answers++;
    this.#answeredMs = performance.now();
    this.#longestMs = Math.max(this.#longestMs, tookMs);
  }

  /** Whether the process may be given a request now. */
  ready(): boolean {
    if (this.#pending !== undefined) return false;
    if (this.#mustRest()) return false;
    if (this.#unseen >= MAX_UNSEEN || this.#isSkipped()) return true;
    if (this.#channel.waits(this.#waitedMs >= SPIN_MS)) {
      this.#unseen = 0;
      if (this.#seen++ >= this.#channel.turnsToRead) return this.#yes();
      this.#afterTurn();
      return false;
    }
    this.#seen = 0;
    if (this.#trusted && this.#unchecked < CREDIT * this.#checkEvery) return true;
    if (this.#waitedMs >= PATIENCE_MS) {
      this.#unseen++;
      return this.#yes();
    }
    if (this.#waitedMs < SPIN_MS) this.#afterTurn();
    else this.#after(Math.min(MAX_PAUSE_MS, Math.ceil(this.#waitedMs / 4)));
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
    if (!this.#trusted || this.#seen > 0 || this.#unchecked >= CREDIT * this.#checkEvery) return false;
    return ++this.#unchecked % this.#checkEvery !== 0;
  }

  get #trusted(): boolean {
    return this.#checkEvery > 1 && this.#answers >= STRICT_ANSWERS && !this.#trust.misbehaved;
  }

  #yes(): true {
    this.#unchecked = 0;
    this.#seen = 0;
    this.#waitedMs = 0;
    return true;
  }

  #mustRest(): boolean {
    const now = performance.now();
    const quietMs = Math.min(MAX_QUIET_MS, Math.max(MIN_QUIET_MS, this.#longestMs));
    if (now - this.#answeredMs >= quietMs) {
      this.#quietMs = now;
      return false;
    }
    if (this.#answers > WATCHED_ANSWERS && now - this.#quietMs < QUIET_SHARE * quietMs) return false;
    this.#longestMs = 0;
    const timer = setTimeout(() => {
      this.#pending = undefined;
      this.#quietMs = performance.now();
      this.#answeredMs = Number.NEGATIVE_INFINITY;
      this.#askAgain();
    }, quietMs);
    this.#pending = { cancel: () => clearTimeout(timer) };
    return true;
  }

  #afterTurn(): void {
    const begunMs = performance.now();
    const immediate = setImmediate(() => {
      this.#waitedMs += Math.min(MAX_TURN_MS, performance.now() - begunMs);
      this.#pending = undefined;
      this.#askAgain();
    });
    this.#pending = { cancel: () => clearImmediate(immediate) };
  }

  #after(pauseMs: number): void {
    const timer = setTimeout(() => {
      this.#waitedMs += pauseMs;
      this.#pending = undefined;
      this.#askAgain();
    }, pauseMs);
    this.#pending = { cancel: () => clearTimeout(timer) };
  }
}
