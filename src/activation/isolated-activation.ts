import { constants } from 'node:os';
import { diagnoseLine } from '../action/diagnose-result.js';
import type { ClockTimer, TimerExpiry } from '../os/freeze-aware-clock.js';
import { readFromStart } from '../os/libc.js';
import type { ProcessObserver, RunningProcess } from '../os/running-process.js';
import { READS_ONLY, StdinReadWatch, StdinWaitDetector } from '../os/stdin-wait.js';
import { readAcknowledgement } from '../protocol/actionloop/acknowledgement.js';
import type { RunAnswer } from '../protocol/answer.js';
import { explainLine } from '../protocol/invalid-result.js';
import { Activation, type ActivationLimits, type RequestInfo } from './activation.js';
import type { LogStreams } from './activation-log.js';

const LINE_FEED = 0x0a;
/** So long a process may go on after its answer until it waits for the next line. */
const MAX_WORK_AFTER_ANSWER_MS = 1000;
/** It is looked at in the next turns of the event loop, then less and less often. */
const TURNS = 8;
const MAX_PAUSE_MS = 16;
/** One that waits for events then may be an event loop; before, it may wait for a process or a connection. */
const MIN_EVENT_LOOP_MS = 20;
const MAX_ACKNOWLEDGEMENT_BYTES = 64 * 1024;

/** How a process of an isolated activation is talked to. */
export interface IsolatedProtocol {
  /** Whether the first line of a process that has been started for it is an acknowledgement. */
  readonly acknowledges: boolean;
  /** What its answer begins with, where lines are numbered; empty otherwise. */
  readonly answerPrefix: Buffer;
}

/**
 * One activation of an ActionLoop action that has a process of its own: the first line on descriptor 3 is its answer. What
 * the process writes until it waits for another line belongs to the activation's log; then it is killed.
 */
export class IsolatedActivation implements ProcessObserver {
  readonly activation: Activation;
  readonly #limits: ActivationLimits;
  #process: RunningProcess | undefined;
  /** The acknowledgement, until it is complete. */
  #first: Buffer[] | undefined;
  #firstBytes = 0;
  readonly #acknowledges: boolean;
  #prefix: Buffer;
  #answered = false;
  #over = false;
  #isClone = false;
  #answeredMs = 0;
  #detector: StdinWaitDetector | StdinReadWatch | undefined;
  #limit: ClockTimer | undefined;

  /** Parameters as those of {@link Activation}. */
  constructor(
    logs: LogStreams,
    limits: ActivationLimits,
    owner: number,
    request: RequestInfo,
    resolve: (answer: RunAnswer) => void,
    time: TimerExpiry | undefined,
    protocol: IsolatedProtocol,
  ) {
    this.#acknowledges = protocol.acknowledges;
    this.#prefix = protocol.answerPrefix;
    this.#limits = limits;
    this.activation = new Activation(logs, limits, owner, request, resolve, time, {
      isComplete: () => this.#answered,
      failure: () => {
        if (this.#answered) return { code: 'run_invalid_result' };
        return { code: limits.killedAtShutdown() ? 'run_shutdown_killed' : 'loop_exited' };
      },
      explain: (line) => {
        const { reason, text } = explainLine(line, false, 'the line on descriptor 3');
        return { advice: diagnoseLine(line), reason, explanation: text };
      },
    });
  }

  /** Its process runs; what it writes is told from now on. A clone has acknowledged its start before. */
  started(process: RunningProcess, engine: 'forkserver' | 'posix_spawn', refusal?: string): void {
    this.#process = process;
    this.#isClone = engine === 'forkserver';
    if (this.#acknowledges && engine === 'posix_spawn') this.#first = [];
    this.activation.started(process, engine, refusal);
  }

  stdout(chunk: Buffer): void {
    this.activation.log(chunk);
  }

  stderr(chunk: Buffer): void {
    this.activation.stderr(chunk);
  }

  answer(chunk: Buffer): void {
    const rest = this.#first === undefined ? chunk : this.#acknowledge(this.#first, chunk);
    if (this.#answered || rest === undefined || rest.length === 0) return;
    const end = rest.indexOf(LINE_FEED);
    const line = this.#withoutPrefix(end < 0 ? rest : rest.subarray(0, end + 1));
    if (end >= 0) this.#answered = true;
    this.activation.stdout(line);
    if (this.#answered) this.#endWhenWaiting();
  }

  exited(_streamsOpen: boolean): void {
    this.#over = true;
    this.#limit?.cancel();
    this.#detector?.close();
    // Who else holds the streams has no part in it: its answer is there, or never will be.
    this.activation.exited(false);
  }

  streamsEnded(): void {
    this.activation.streamsEnded();
  }

  /** Takes the acknowledgement; @returns what follows it, once it is there */
  #acknowledge(first: Buffer[], chunk: Buffer): Buffer | undefined {
    const end = chunk.indexOf(LINE_FEED);
    this.#firstBytes += chunk.length;
    first.push(Buffer.from(end < 0 ? chunk : chunk.subarray(0, end)));
    if (end < 0) {
      if (this.#firstBytes > MAX_ACKNOWLEDGEMENT_BYTES) this.#kill();
      return undefined;
    }
    this.#first = undefined;
    if (typeof readAcknowledgement(Buffer.concat(first)) === 'string') {
      this.#kill();
      return undefined;
    }
    return chunk.subarray(end + 1);
  }

  #withoutPrefix(piece: Buffer): Buffer {
    const length = Math.min(this.#prefix.length, piece.length);
    if (length === 0) return piece;
    // A line with another number, or none, stays as it is, which is no JSON or not this activation's.
    if (!piece.subarray(0, length).equals(this.#prefix.subarray(0, length))) {
      this.#prefix = Buffer.alloc(0);
      return Buffer.concat([Buffer.from('not numbered: '), piece]);
    }
    this.#prefix = this.#prefix.subarray(length);
    return piece.subarray(length);
  }

  #endWhenWaiting(): void {
    const process = this.#process;
    if (process === undefined || this.#over) return;
    this.#answeredMs = performance.now();
    this.#limitWork(process);
    const isWaiting = this.#watchWait(process.pid);
    if (isWaiting !== undefined) this.#look(isWaiting, 0);
    // What it waits for is not shown: the end of its input ends it.
    else process.closeStdin?.();
  }

  /** What tells whether it waits for another line; undefined where the system does not show that. */
  #watchWait(pid: number): ((turn: number) => boolean) | undefined {
    // The thread that a clone begins with waits as that of its template did.
    if (this.#isClone) {
      const watch = new StdinReadWatch(pid, readFromStart);
      this.#detector = watch;
      return watch.canObserve ? () => watch.isWaiting() : undefined;
    }
    const detector = new StdinWaitDetector(pid, readFromStart);
    this.#detector = detector;
    return detector.canObserve ? (turn) => this.#isWaiting(detector, turn) : undefined;
  }

  #limitWork(process: RunningProcess): void {
    this.#limit = this.#limits.clock.setTimer({ inMs: MAX_WORK_AFTER_ANSWER_MS }, () => {
      // It may wait for the log's reader, who is waited for.
      if (process.isPaused === true && !this.#over) this.#limitWork(process);
      else this.#kill();
    });
  }

  #isWaiting(detector: StdinWaitDetector, turn: number): boolean {
    const isEventLoop = performance.now() - this.#answeredMs >= MIN_EVENT_LOOP_MS;
    return detector.isWaiting(turn % TURNS === TURNS - 1, isEventLoop ? undefined : READS_ONLY);
  }

  #look(isWaiting: (turn: number) => boolean, turn: number): void {
    if (this.#over) return;
    if (isWaiting(turn)) {
      this.#kill();
      return;
    }
    if (turn < TURNS) setImmediate(() => this.#look(isWaiting, turn + 1));
    else setTimeout(() => this.#look(isWaiting, turn + 1), Math.min(turn - TURNS + 1, MAX_PAUSE_MS));
  }

  #kill(): void {
    this.#process?.kill(constants.signals.SIGKILL);
  }
}
