import type { LoopImage } from '../pool/messages.js';
import type { Alarm, AwakeClock } from '../process/awake-clock.js';
import type { ProcessExit } from '../process/engines/engine.js';
import { AnswerLines } from './answer-lines.js';
import type { LoopChannel } from './channel.js';

/** An activation on its way through a process. */
export interface Turn {
  readonly line: Buffer;
  /** When a process got it; undefined while it waits for one. */
  givenMs?: number;
  /** Gets how it ended, once. */
  settle: (end: TurnEnd) => void;
}

/** How an activation ended, as far as its process is concerned. */
export type TurnEnd =
  | { readonly kind: 'answered'; readonly line: Buffer }
  /** Its answer was longer than may be, and the process was ended. */
  | { readonly kind: 'too-long' }
  /** The process has ended, or was ended. */
  | { readonly kind: 'exited'; readonly exit: ProcessExit }
  /** No process could be started for it. */
  | { readonly kind: 'not-started' }
  /** It was taken back before a process had it. */
  | { readonly kind: 'taken-back' };

/** What a process tells its pool. */
export interface MemberObserver {
  /** It may take another activation now. */
  available(): void;
  /** It wrote a line that answers nothing. */
  extraLine(line: Buffer): void;
  /**
   * It has ended; its activations have been settled.
   * @param expected whether it was told to
   * @param proven whether it had answered before
   */
  ended(expected: boolean, proven: boolean): void;
}

/** What all processes of an action have in common. */
export interface MemberLimits {
  readonly pipeline: number;
  readonly maxResultBytes: number;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
  readonly clock: AwakeClock;
}

/** A process that writes more than one line for a request shows it early: so many answers are watched. */
const WATCHED_ANSWERS = 3;
/** How long after an answer further lines of it are waited for, where they must be expected. */
const QUIET_MS = 5;

/**
 * One process of an ActionLoop action, with the activations it has been given, in order: each line that it
 * writes answers the oldest.
 *
 * The protocol has no numbers: a line too many would answer the next caller. So what has come before a request
 * is read and dropped before that is written, and whoever has written such a line, or is new, is watched for a
 * moment after each answer (C-AL-18).
 */
export class LoopMember {
  /** What this process has been given and has not answered. */
  readonly #turns: Turn[] = [];
  readonly #limits: MemberLimits;
  readonly #observer: MemberObserver;
  readonly #lines: AnswerLines;
  /** When it was last given something, on the clock of the limits. */
  usedMs: number;
  #channel: LoopChannel | undefined;
  /** Resolves once it has ended. */
  readonly gone: Promise<void>;
  #tellGone: () => void = () => {};
  #firstLine: ((line: Buffer) => void) | undefined;
  #answers = 0;
  #extraLines = 0;
  #resting: Alarm | undefined;
  #killing: Alarm | undefined;
  #leaving = false;
  #gone = false;
  #talksTooLong = false;

  /** @param image what its process is started from */
  constructor(
    readonly image: LoopImage,
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
    );
  }

  /** Gets what the process writes on descriptor 3. */
  readonly answered = (chunk: Buffer): void => this.#lines.push(chunk);

  /** Whether it has a process, or had one. */
  get attached(): boolean {
    return this.#channel !== undefined;
  }

  get busy(): boolean {
    return this.#turns.length > 0;
  }

  /** Whether it can take an activation at once. */
  get free(): boolean {
    return (
      !this.#leaving &&
      !this.#gone &&
      this.#resting === undefined &&
      this.#turns.length < this.#limits.pipeline
    );
  }

  /** Its process runs; the end of it is watched from now on. */
  attach(channel: LoopChannel): void {
    this.#channel = channel;
    channel.exited.then(
      (exit) => this.#onExit(exit),
      () => this.#onExit({}),
    );
  }

  /**
   * Waits for the first line, which acknowledges the start (C-AL-10). It is no answer.
   *
   * @param callback gets it, if it comes
   */
  onFirstLine(callback: (line: Buffer) => void): void {
    this.#firstLine = callback;
  }

  /** Gives it an activation; only while {@link free}. */
  give(turn: Turn): void {
    // What lies in the pipe now can't be the answer to what has not been asked yet.
    if (this.#turns.length === 0) this.#channel?.readNow();
    this.#turns.push(turn);
    turn.givenMs = performance.now();
    this.usedMs = this.#limits.clock.nowMs();
    this.#channel?.write(turn.line);
  }

  /** Takes no more activations, and ends when it has answered those it has. */
  leave(): void {
    this.#leaving = true;
    if (this.#turns.length === 0) this.#end();
  }

  /** Ends at once, with everything it has been given. */
  condemn(): void {
    this.#leaving = true;
    this.#end();
  }

  /** Kills it without a grace. */
  kill(): void {
    this.#channel?.kill('SIGKILL');
  }

  /** Whether it has this activation. */
  has(turn: Turn): boolean {
    return this.#turns.includes(turn);
  }

  #end(): void {
    if (this.#gone || this.#killing !== undefined) return;
    this.#channel?.endInput();
    this.#channel?.kill('SIGTERM');
    const { clock, graceMs } = this.#limits;
    this.#killing = clock.alarm({ inMs: graceMs }, () => this.#channel?.kill('SIGKILL'));
  }

  #onLine(line: Buffer): void {
    if (this.#firstLine !== undefined) {
      const callback = this.#firstLine;
      this.#firstLine = undefined;
      callback(line);
      return;
    }
    // The rest of what was too long is no answer.
    const turn = this.#talksTooLong ? undefined : this.#turns.shift();
    if (turn === undefined) {
      this.#extraLines++;
      this.#observer.extraLine(line);
      // With several at a time nobody knows any more which line was meant for whom.
      if (this.#limits.pipeline > 1) this.condemn();
      return;
    }
    this.#answers++;
    if (this.#turns.length === 0) this.#rest();
    turn.settle({ kind: 'answered', line });
    if (this.#leaving && this.#turns.length === 0) this.#end();
    else if (this.free) this.#observer.available();
  }

  #rest(): void {
    const watched = this.#answers <= WATCHED_ANSWERS || this.#extraLines > 0;
    if (!watched || this.#leaving) return;
    this.#resting = this.#limits.clock.alarm({ inMs: QUIET_MS }, () => {
      this.#resting = undefined;
      if (this.free) this.#observer.available();
    });
  }

  #onTooLong(): void {
    this.#talksTooLong = true;
    this.condemn();
  }

  #onExit(exit: ProcessExit): void {
    const expected = this.#leaving;
    this.#gone = true;
    this.#leaving = true;
    this.#resting?.cancel();
    this.#killing?.cancel();
    const [oldest, ...others] = this.#turns.splice(0);
    oldest?.settle(this.#talksTooLong ? { kind: 'too-long' } : { kind: 'exited', exit });
    for (const turn of others) turn.settle({ kind: 'exited', exit });
    this.#observer.ended(expected, this.#answers > 0);
    this.#tellGone();
  }
}
