import type { ClockTimer, FreezeAwareClock } from '../../os/freeze-aware-clock.js';
import { AnswerLineSplitter } from '../../protocol/actionloop/answer-line-splitter.js';
import type { ProcessExit } from '../../protocol/answer.js';
import type { ByteBudget } from '../../shared-memory/byte-budget.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { ActionLoopChannel } from './channel.js';
import { type PendingRequest, SentRequests } from './pending-requests.js';
import { type ActionTrust, Readiness } from './readiness.js';

/** Events of a process, for its pool. */
interface ActionLoopProcessObserver {
  /** It may take another activation now. */
  available(): void;
  /** It wrote a line that answers nothing, or a piece of one, and is ended for it. */
  extraLine(line: Buffer): void;
  /** It serves no more; the activations that it had have been settled, but for those it had not read. */
  retired(end: ActionLoopProcessEnd): void;
}

/** How a process stopped serving. */
export interface ActionLoopProcessEnd {
  /** Whether it ended without being told to. */
  readonly isUnexpected: boolean;
  /** Whether it had answered before. */
  readonly hasAnswered: boolean;
  /** What it had not read: another process may have that. */
  readonly unreadRequests: readonly PendingRequest[];
}

/** What all processes of an action have in common. */
export interface ActionLoopProcessOptions {
  readonly pipeline: number;
  /** A trusted process is looked at before each so many-th request. */
  readonly checkEvery: number;
  readonly maxResultBytes: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  readonly clock: FreezeAwareClock;
  /** Of which a long answer takes what it needs. */
  readonly budget: ByteBudget;
}

/** Under continuous load, of so many answers or so much time, a process with several activations is let run empty. */
const MAX_ANSWERS_BEFORE_DRAIN = 100;
const MAX_MS_BEFORE_DRAIN = 1000;
/** So long after SIGKILL its activations are answered, even if its end is not seen. */
const KILL_WAIT_MS = 500;

/**
 * One process of an ActionLoop action, with the activations it has been given.
 *
 * A line that can't be an answer shows that the process and the server do not agree any more on which line
 * belongs to whom. Then the process is killed, and what it has fails (C-AL-18).
 */
export class ActionLoopProcess {
  readonly #requests = new SentRequests();
  readonly #limits: ActionLoopProcessOptions;
  readonly #observer: ActionLoopProcessObserver;
  readonly #lines: AnswerLineSplitter;
  /** When it was last given something, on the clock of the limits. */
  lastUsedMs: number;
  #channel: ActionLoopChannel | undefined;
  #readiness: Readiness | undefined;
  /** Resolves once it has ended. */
  readonly exited: Promise<void>;
  #resolveExited: () => void = () => {};
  #firstLine: ((line: Buffer) => void) | undefined;
  #answers = 0;
  #answersSinceDrain = 0;
  #drainedMs = 0;
  #killing: ClockTimer | undefined;
  #draining = false;
  #stdinClosed = false;
  #failed = false;
  #retired = false;
  #killed = false;
  #answerTooLong = false;

  /**
   * @param image what its process is started from
   * @param trust what is known of the processes of that image
   */
  constructor(
    readonly image: ActionLoopImage,
    readonly trust: ActionTrust,
    limits: ActionLoopProcessOptions,
    observer: ActionLoopProcessObserver,
  ) {
    this.#limits = limits;
    this.#observer = observer;
    this.lastUsedMs = limits.clock.nowMs();
    this.exited = new Promise((resolve) => {
      this.#resolveExited = resolve;
    });
    this.#lines = new AnswerLineSplitter(
      limits.maxResultBytes,
      (line) => this.#onLine(line),
      () => this.#onTooLong(),
      limits.budget.reserve(),
    );
  }

  /** Gets what the process writes on descriptor 3. */
  readonly answered = (chunk: Buffer): void => {
    this.#lines.push(chunk);
    // Only now: what comes with an answer, in the same piece, is no answer to what is given next.
    const unfinished = this.#lines.unfinished;
    if (unfinished.length > 0 && !this.busy && this.#firstLine === undefined) this.#fail(unfinished);
    if (this.#stdinClosed) this.#killUnlessAnswering();
    else if (this.#draining && !this.busy) this.#end();
    else if (this.#isFree) this.#observer.available();
  };

  /** Whether it has a process, or had one. */
  get attached(): boolean {
    return this.#channel !== undefined;
  }

  get busy(): boolean {
    return this.#requests.length > 0;
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
  isReady(): boolean {
    if (!this.#isFree) return false;
    if (this.#requests.numbered) return true;
    if (this.busy) return !this.#mustDrainPipeline();
    return this.#readiness?.isReady() ?? false;
  }

  /** Its process runs; the end of it is watched from now on. */
  attach(channel: ActionLoopChannel): void {
    this.#channel = channel;
    const askAgain = (): void => this.#observer.available();
    this.#readiness = new Readiness(channel, this.trust, this.#limits.checkEvery, askAgain);
    channel.exited.then(
      (exit) => this.#onExit(exit),
      () => this.#onExit({}),
    );
    void channel.stdinClosed.then(() => {
      this.#stdinClosed = true;
      this.#killUnlessAnswering();
    });
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
  enableNumbering(): void {
    this.#requests.numbered = true;
  }

  /**
   * Gives it an activation; only if it is {@link isReady}.
   *
   * @returns false if it has turned out in this moment that it can't have any more
   */
  send(request: PendingRequest): boolean {
    // What lies in the pipe now can't be the answer to what has not been asked yet.
    if (!this.busy) this.#channel?.readAvailable();
    if (!this.#isFree) return false;
    if (!this.busy) {
      this.#answersSinceDrain = 0;
      this.#drainedMs = performance.now();
    }
    const bytes = this.#requests.add(request);
    request.sentMs = performance.now();
    this.lastUsedMs = this.#limits.clock.nowMs();
    this.#channel?.write(bytes);
    return true;
  }

  /** Drains it: it takes no more activations, and ends when it has answered those it has. */
  drain(): void {
    this.#draining = true;
    if (!this.busy) this.#end();
  }

  /** Terminates it at once; its pending requests fail. */
  terminate(): void {
    this.#draining = true;
    this.#end();
  }

  /** Kills it without a grace; what it has been given is settled soon, even if its end is not seen. */
  kill(): void {
    this.#channel?.kill('SIGKILL');
    if (this.#killed) return;
    this.#killed = true;
    this.#killing?.cancel();
    this.#killing = this.#limits.clock.setTimer({ inMs: KILL_WAIT_MS }, () => this.#settleAll({}));
  }

  /** Whether it has this activation. */
  holds(request: PendingRequest): boolean {
    return this.#requests.has(request);
  }

  get #isFree(): boolean {
    const canRead = !this.#draining && !this.#retired && !this.#stdinClosed;
    return canRead && this.#requests.length < this.#limits.pipeline;
  }

  /** Its stdin is closed: what it has not read another process gets at its end. What it has read it may yet answer. */
  #killUnlessAnswering(): void {
    const { length } = this.#requests;
    if (this.#requests.countUnread(this.#channel?.unreadBytes ?? 0) === length)
      this.#channel?.kill('SIGKILL');
  }

  #mustDrainPipeline(): boolean {
    return (
      this.#answersSinceDrain >= MAX_ANSWERS_BEFORE_DRAIN ||
      performance.now() - this.#drainedMs >= MAX_MS_BEFORE_DRAIN
    );
  }

  #end(): void {
    if (this.#retired || this.#killing !== undefined) return;
    this.#channel?.closeStdin();
    this.#channel?.kill('SIGTERM');
    const { clock, graceMs } = this.#limits;
    this.#killing = clock.setTimer({ inMs: graceMs }, () => this.kill());
  }

  #onLine(line: Buffer): void {
    if (this.#firstLine !== undefined) {
      const callback = this.#firstLine;
      this.#firstLine = undefined;
      callback(line);
      return;
    }
    // The rest of what was too long is no answer, and after a failure there is none any more.
    if (this.#failed || this.#answerTooLong) return;
    const answered = this.#requests.takeAnswered(line, this.#channel?.unreadBytes ?? 0);
    if (answered === undefined) {
      this.#fail(line);
      return;
    }
    const { request, answer } = answered;
    this.#answers++;
    this.#answersSinceDrain++;
    if (!this.busy) this.#readiness?.answered(performance.now() - (request.sentMs ?? 0));
    request.settle({ kind: 'answered', line: answer });
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
    this.#answerTooLong = true;
    this.terminate();
  }

  #onExit(exit: ProcessExit): void {
    const unread = this.#answerTooLong ? [] : this.#requests.takeUnread(this.#channel?.unreadBytes ?? 0);
    this.#settleAll(exit);
    this.#killing?.cancel();
    this.#lines.discard();
    this.#retire(!this.#draining, unread);
    this.#resolveExited();
  }

  #settleAll(exit: ProcessExit): void {
    const [oldest, ...others] = this.#requests.takeAll();
    const { exceededBudget } = this.#lines;
    oldest?.settle(this.#answerTooLong ? { kind: 'too-long', exceededBudget } : { kind: 'exited', exit });
    for (const request of others) request.settle({ kind: 'exited', exit });
  }

  #retire(isUnexpected: boolean, unreadRequests: readonly PendingRequest[]): void {
    if (this.#retired) return;
    this.#retired = true;
    this.#draining = true;
    this.#readiness?.stop();
    this.#observer.retired({ isUnexpected, hasAnswered: this.#answers > 0, unreadRequests });
  }
}
