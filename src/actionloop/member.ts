import type { ByteBudget } from '../pool/byte-budget.js';
import type { LoopImage } from '../pool/messages.js';
import type { Alarm, AwakeClock } from '../process/awake-clock.js';
import type { ProcessExit } from '../process/engines/engine.js';
import { AnswerLines } from './answer-lines.js';
import type { LoopChannel } from './channel.js';
import { Readiness, type Trust } from './readiness.js';
import { GivenTurns, type Turn } from './turns.js';

/** What a process tells its pool. */
export interface MemberObserver {
  /** It may take another activation now. */
  available(): void;
  /** It wrote a line that answers nothing, or a piece of one, and is ended for it. */
  extraLine(line: Buffer): void;
  /** It serves no more; the activations that it had have been settled, but for those it had not read. */
  retired(end: Retirement): void;
}

/** How a process came to serve no more. */
export interface Retirement {
  /** Whether it ended without being told to. */
  readonly lost: boolean;
  /** Whether it had answered before. */
  readonly proven: boolean;
  /** What it had not read: another process may have that. */
  readonly unread: readonly Turn[];
}

/** What all processes of an action have in common. */
export interface MemberLimits {
  readonly pipeline: number;
  /** A trusted process is looked at before each so many-th request. */
  readonly checkEvery: number;
  readonly maxResultBytes: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  readonly clock: AwakeClock;
  /** Of which a long answer takes what it needs. */
  readonly budget: ByteBudget;
}

/** Under continuous load, of so many answers or so much time, a process with several activations is let run empty. */
const ANSWERS_UNTIL_EMPTY = 100;
const MS_UNTIL_EMPTY = 1000;
/** So long after SIGKILL its activations are answered, even if its end is not seen. */
const KILLED_MS = 500;

/**
 * One process of an ActionLoop action, with the activations it has been given.
 *
 * A line that can't be an answer shows that the process and the server do not agree any more on which line
 * belongs to whom. Then the process is killed, and what it has fails (C-AL-18).
 */
export class LoopMember {
  readonly #turns = new GivenTurns();
  readonly #limits: MemberLimits;
  readonly #observer: MemberObserver;
  readonly #lines: AnswerLines;
  /** When it was last given something, on the clock of the limits. */
  usedMs: number;
  #channel: LoopChannel | undefined;
  #readiness: Readiness | undefined;
  /** Resolves once it has ended. */
  readonly gone: Promise<void>;
  #tellGone: () => void = () => {};
  #firstLine: ((line: Buffer) => void) | undefined;
  #answers = 0;
  #answersSinceEmpty = 0;
  #emptyMs = 0;
  #killing: Alarm | undefined;
  #leaving = false;
  #failed = false;
  #retired = false;
  #killed = false;
  #talksTooLong = false;

  /**
   * @param image what its process is started from
   * @param trust what is known of the processes of that image
   */
  constructor(
    readonly image: LoopImage,
    readonly trust: Trust,
    limits: MemberLimits,
    observer: MemberObserver,
  ) {
    this.#limits = limits;
    this.#observer = observer;
    this.usedMs = limits.clock.nowMs();
    this.gone = new Promise((resolve) => {
      this.#tellGone = resolve;
    });
    this.#lines = new AnswerLines(
      limits.maxResultBytes,
      (line) => this.#onLine(line),
      () => this.#onTooLong(),
      limits.budget.hold(),
    );
  }

  /** Gets what the process writes on descriptor 3. */
  readonly answered = (chunk: Buffer): void => {
    this.#lines.push(chunk);
    // Only now: what comes with an answer, in the same piece, is no answer to what is given next.
    const unfinished = this.#lines.unfinished;
    if (unfinished.length > 0 && !this.busy && this.#firstLine === undefined) this.#fail(unfinished);
    if (this.#leaving && !this.busy) this.#end();
    else if (this.#free) this.#observer.available();
  };

  /** Whether it has a process, or had one. */
  get attached(): boolean {
    return this.#channel !== undefined;
  }

  get busy(): boolean {
    return this.#turns.length > 0;
  }

  /** Whether it has nothing to answer, and yet does not come back to take the next activation. */
  get isAwaited(): boolean {
    return !this.busy && this.#readiness?.isAwaited === true;
  }

  /** Whether it has written a line that answers nothing. */
  get failed(): boolean {
    return this.#failed;
  }

  /** Whether it can take an activation at once. If it may soon, the observer is told when to ask again. */
  ready(): boolean {
    if (!this.#free) return false;
    if (this.#turns.numbered) return true;
    if (this.busy) return !this.#mustRunEmpty();
    return this.#readiness?.ready() ?? false;
  }

  /** Its process runs; the end of it is watched from now on. */
  attach(channel: LoopChannel): void {
    this.#channel = channel;
    const askAgain = (): void => this.#observer.available();
    this.#readiness = new Readiness(channel, this.trust, this.#limits.checkEvery, askAgain);
    channel.exited.then(
      (exit) => this.#onExit(exit),
      () => this.#onExit({}),
    );
    // It may have been given up while it was started.
    if (this.#failed || this.#killed) channel.kill('SIGKILL');
    else if (this.#killing !== undefined) channel.kill('SIGTERM');
  }

  /**
   * Waits for the first line, which acknowledges the start (C-AL-10). It is no answer.
   *
   * @param callback gets it, if it comes
   */
  onFirstLine(callback: (line: Buffer) => void): void {
    this.#firstLine = callback;
  }

  /** Its lines are numbered from now on, in both directions (C-AL-23). */
  numberLines(): void {
    this.#turns.numbered = true;
  }

  /**
   * Gives it an activation; only if it is {@link ready}.
   *
   * @returns false if it has turned out in this moment that it can't have any more
   */
  give(turn: Turn): boolean {
    // What lies in the pipe now can't be the answer to what has not been asked yet.
    if (!this.busy) this.#channel?.readNow();
    if (!this.#free) return false;
    if (!this.busy) {
      this.#answersSinceEmpty = 0;
      this.#emptyMs = performance.now();
    }
    const bytes = this.#turns.add(turn);
    turn.givenMs = performance.now();
    this.usedMs = this.#limits.clock.nowMs();
    this.#channel?.write(bytes);
    return true;
  }

  /** Takes no more activations, and ends when it has answered those it has. */
  leave(): void {
    this.#leaving = true;
    if (!this.busy) this.#end();
  }

  /** Ends at once, with everything it has been given. */
  condemn(): void {
    this.#leaving = true;
    this.#end();
  }

  /** Kills it without a grace; what it has been given is settled soon, even if its end is not seen. */
  kill(): void {
    this.#channel?.kill('SIGKILL');
    if (this.#killed) return;
    this.#killed = true;
    this.#killing?.cancel();
    this.#killing = this.#limits.clock.alarm({ inMs: KILLED_MS }, () => this.#settleAll({}));
  }

  /** Whether it has this activation. */
  has(turn: Turn): boolean {
    return this.#turns.has(turn);
  }

  get #free(): boolean {
    return !this.#leaving && !this.#retired && this.#turns.length < this.#limits.pipeline;
  }

  #mustRunEmpty(): boolean {
    return (
      this.#answersSinceEmpty >= ANSWERS_UNTIL_EMPTY || performance.now() - this.#emptyMs >= MS_UNTIL_EMPTY
    );
  }

  #end(): void {
    if (this.#retired || this.#killing !== undefined) return;
    this.#channel?.endInput();
    this.#channel?.kill('SIGTERM');
    const { clock, graceMs } = this.#limits;
    this.#killing = clock.alarm({ inMs: graceMs }, () => this.kill());
  }

  #onLine(line: Buffer): void {
    if (this.#firstLine !== undefined) {
      const callback = this.#firstLine;
      this.#firstLine = undefined;
      callback(line);
      return;
    }
    // The rest of what was too long is no answer, and after a failure there is none any more.
    if (this.#failed || this.#talksTooLong) return;
    const answered = this.#turns.takeAnswered(line, this.#channel?.unreadBytes ?? 0);
    if (answered === undefined) {
      this.#fail(line);
      return;
    }
    const { turn, answer } = answered;
    this.#answers++;
    this.#answersSinceEmpty++;
    if (!this.busy) this.#readiness?.answered(performance.now() - (turn.givenMs ?? 0));
    turn.settle({ kind: 'answered', line: answer });
  }

  #fail(line: Buffer): void {
    if (this.#failed || this.#retired) return;
    this.#failed = true;
    this.trust.misbehaved = true;
    this.#observer.extraLine(line);
    this.#settleAll({});
    this.#channel?.kill('SIGKILL');
    this.#retire(false, []);
  }

  #onTooLong(): void {
    this.#talksTooLong = true;
    this.condemn();
  }

  #onExit(exit: ProcessExit): void {
    const unread = this.#talksTooLong ? [] : this.#turns.takeUnread(this.#channel?.unreadBytes ?? 0);
    this.#settleAll(exit);
    this.#killing?.cancel();
    this.#lines.drop();
    this.#retire(!this.#leaving, unread);
    this.#tellGone();
  }

  #settleAll(exit: ProcessExit): void {
    const [oldest, ...others] = this.#turns.takeAll();
    const { lacksRoom } = this.#lines;
    oldest?.settle(this.#talksTooLong ? { kind: 'too-long', lacksRoom } : { kind: 'exited', exit });
    for (const turn of others) turn.settle({ kind: 'exited', exit });
  }

  #retire(lost: boolean, unread: readonly Turn[]): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#leaving = true;
    this.#readiness?.stop();
    this.#observer.retired({ lost, proven: this.#answers > 0, unread });
  }
}
