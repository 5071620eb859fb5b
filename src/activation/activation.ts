import { constants } from 'node:os';
import type { MissingResult, ResultDiagnosis } from '../action/diagnose-result.js';
import type { Config } from '../config/load.js';
import type { ClockTimer, FreezeAwareClock, TimerExpiry } from '../os/freeze-aware-clock.js';
import { MAX_KILL_MS } from '../os/group-signal.js';
import { killProcessGroup } from '../os/leftover-processes.js';
import type { OomKillDetector } from '../os/oom-kills.js';
import type { ProcessObserver, RunningProcess } from '../os/running-process.js';
import type { AnswerFailure, ProcessExit, RunAnswer } from '../protocol/answer.js';
import { LastLineSplitter } from '../protocol/last-line-splitter.js';
import { LineSplitter } from '../protocol/line-splitter.js';
import {
  judgeResult,
  type ResultVerdict,
  resultTooLarge,
  withoutFinalLineBreak,
} from '../protocol/result.js';
import type { ByteBudget, ByteReservation } from '../shared-memory/byte-budget.js';
import { ActivationLog, type LogStreams } from './activation-log.js';

/** What an activation needs to know besides its request. */
export interface ActivationLimits {
  readonly config: Pick<Config, 'maxResultBytes' | 'drainMs' | 'timeoutGraceMs' | 'leftovers'>;
  readonly clock: FreezeAwareClock;
  /** Of which a result takes what it needs. */
  readonly budget: ByteBudget;
  /** Judges a long line in another thread; undefined: this thread judges every line itself. */
  readonly judgeInWorker?: (line: Uint8Array) => Promise<ResultVerdict>;
  /** The activations of the thread that are not answered yet. */
  readonly inFlight: Set<Activation>;
  /** Whether a shutdown has killed what still ran. */
  readonly killedAtShutdown: () => boolean;
  readonly oomKills: OomKillDetector;
  /** Why there is no result; called once there is none. */
  readonly diagnoseMissingResult: (seen: MissingResult) => ResultDiagnosis;
}

/** Where the result of an activation comes from, where that is not the last line of its stdout. */
export interface ResultSource {
  /** Whether the line is there; what has come until its process ended is no result otherwise. */
  isComplete(): boolean;
  /** What the lack of a result means. */
  failure(exit: ProcessExit | undefined): AnswerFailure;
  /** What is wrong with a line that is no result; `advice` is for the log. */
  explain(line: Buffer): {
    readonly advice: string | undefined;
    readonly reason: string;
    readonly explanation: string;
  };
}

/** What an activation's facts say of its request. */
export interface RequestInfo {
  readonly argumentBytes: number;
  readonly activationId?: string;
}

/** A line of stderr longer than this is logged in pieces; bounded, for each activation holds one. */
const MAX_STDERR_LINE_BYTES = 1024 * 1024;

/** A shorter line is judged at once. */
const MAX_INLINE_LINE_BYTES = 64 * 1024;

const LINE_BREAK = Buffer.from('\n');

/**
 * One activation from its start to its answer: parts its output into logs and result, decides when it is
 * over, judges the result, ends its logs.
 *
 * It is over when `exec` has exited and either the result is there, or both streams have ended, or the drain time
 * is over, whichever comes first (C-RUN-25). When its own time is up before that, its process group
 * is told to end, then killed, and it is over when `exec` has exited, or some moments after SIGKILL. A shutdown whose
 * grace period is over kills at once.
 *
 * An activation that has been ended waits for nobody: neither for a process that does not die, nor for the reader of
 * its log.
 */
export class Activation implements ProcessObserver {
  readonly #log: ActivationLog;
  readonly #limits: ActivationLimits;
  readonly #resolve: (answer: RunAnswer) => void;
  readonly #lastLine: LastLineSplitter;
  readonly #stderrLines: LineSplitter;
  readonly #source: ResultSource | undefined;
  /** Where stdout is a log only. */
  readonly #stdoutLines: LineSplitter | undefined;
  #wroteStderr = false;
  readonly #request: RequestInfo;
  readonly #begunMs = performance.now();
  #startedMs: number | undefined;
  #exitedMs: number | undefined;
  #engine: string | undefined;
  #refusal: string | undefined;
  #process: RunningProcess | undefined;
  #exit: ProcessExit | undefined;
  #lateOutput: ClockTimer | undefined;
  #timeLimit: ClockTimer | undefined;
  #killing: ClockTimer | undefined;
  /** What has ended it before it was over. */
  #endReason: 'time' | 'shutdown' | undefined;
  #exited = false;
  #killed = false;
  /** Set once it is judged, and waits for its log only. */
  #judged: Pick<RunAnswer, 'result' | 'failure'> | undefined;
  #leftoversKilled = 0;
  readonly #reservation: ByteReservation;
  /** On the line as it stands; undefined once more of it comes. */
  #verdict: ResultVerdict | undefined;
  #judgeLost = false;
  /** Set once nothing more of it is read. */
  #isOver = false;

  /**
   * @param owner a number that no other activation in flight has, for its log lines
   * @param resolve gets the answer, once, after the sentinels have been written
   * @param time when it must be over; undefined for no limit
   * @param source of the result, which {@link stdout} is given then; undefined: the last line of stdout
   */
  constructor(
    logs: LogStreams,
    limits: ActivationLimits,
    owner: number,
    request: RequestInfo,
    resolve: (answer: RunAnswer) => void,
    time?: TimerExpiry,
    source?: ResultSource,
  ) {
    this.#source = source;
    this.#log = new ActivationLog(logs, owner, limits.clock);
    this.#limits = limits;
    this.#request = request;
    this.#resolve = resolve;
    this.#reservation = limits.budget.reserve();
    this.#lastLine = new LastLineSplitter(
      limits.config.maxResultBytes,
      (bytes, release) => this.#log.write('stdout', bytes, release),
      this.#reservation,
    );
    this.#stderrLines = new LineSplitter(MAX_STDERR_LINE_BYTES, (bytes) => this.#log.write('stderr', bytes));
    if (source !== undefined)
      this.#stdoutLines = new LineSplitter(MAX_STDERR_LINE_BYTES, (bytes) =>
        this.#log.write('stdout', bytes),
      );
    limits.inFlight.add(this);
    limits.oomKills.activationBegins();
    if (time !== undefined) this.#timeLimit = limits.clock.setTimer(time, () => this.#end('time'));
    if (limits.killedAtShutdown()) this.#end('shutdown');
  }

  /** Whether it has been ended, and nothing should be started for it any more. */
  get isEnded(): boolean {
    return this.#endReason !== undefined;
  }

  /** The grace period of a shutdown is over: kills what runs, and answers. */
  endForShutdown(): void {
    this.#end('shutdown');
  }

  /**
   * Its process runs.
   *
   * @param refusal why the preferred engine did not start it; undefined when it did
   */
  started(process: RunningProcess, engine: string, refusal?: string): void {
    this.#process = process;
    this.#engine = engine;
    this.#refusal = refusal;
    this.#startedMs = performance.now();
    if (this.#endReason === undefined) return;
    // It has been answered while the process was being started.
    process.kill(constants.signals.SIGKILL);
    process.release(() => killProcessGroup(process.pid));
  }

  /** Nothing was started: logs the reason, if there is one to tell, and answers. */
  refuse(failure: AnswerFailure, log?: string): void {
    if (this.#judged !== undefined) return;
    if (log !== undefined) this.#log.write('stdout', Buffer.from(`${log}\n`));
    this.#finish({}, failure);
  }

  /** The system has no process or descriptor for it: `errno` names what, as `EMFILE`. */
  refuseForLackOfResources(errno: string): void {
    this.refuse({ code: 'run_no_resources', detail: errno }, `error: no process could be started: ${errno}`);
  }

  /** Nothing was started, and somebody else runs the request. */
  cancel(): void {
    this.#timeLimit?.cancel();
    this.#limits.inFlight.delete(this);
  }

  stdout(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#verdict = undefined;
    this.#lastLine.push(chunk);
    this.#log.applyBackpressure('stdout', this.#process);
  }

  /** Bytes of stdout, where its result comes from elsewhere. */
  log(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#stdoutLines?.push(chunk);
    this.#log.applyBackpressure('stdout', this.#process);
  }

  stderr(chunk: Buffer): void {
    if (this.#isOver) return;
    this.#wroteStderr = true;
    this.#stderrLines.push(chunk);
    this.#log.applyBackpressure('stderr', this.#process);
  }

  exited(streamsOpen: boolean): void {
    this.#exited = true;
    this.#exitedMs = performance.now();
    if (!streamsOpen || this.isEnded) {
      this.#judgeAndFinish();
      return;
    }
    this.#judge(({ result }) => {
      if (this.#isOver) return;
      if (result !== undefined && this.#verdict !== undefined) {
        this.#judgeAndFinish();
        return;
      }
      const { clock, config } = this.#limits;
      this.#lateOutput = clock.setTimer({ inMs: config.drainMs }, () => this.#judgeAndFinish());
    });
  }

  streamsEnded(): void {
    this.#judgeAndFinish();
  }

  #end(reason: 'time' | 'shutdown'): void {
    const before = this.#endReason;
    if (before === reason || before === 'shutdown') return;
    const process = this.#process;
    // What it writes from now on is read for its end, whether there is room in the log or not. It may have ended in
    // time, and only have been held back.
    this.#log.stopWaiting(process);
    this.#endReason ??= reason;
    if (this.#judged !== undefined) return;
    if (process === undefined) {
      this.#finish({}, this.#failure());
      return;
    }
    if (this.#exited) this.#judgeAndFinish();
    else if (reason === 'time') this.#terminate(process);
    else this.#kill(process);
  }

  #terminate(process: RunningProcess): void {
    process.kill(constants.signals.SIGTERM);
    const { clock, config } = this.#limits;
    this.#killing = clock.setTimer({ inMs: config.timeoutGraceMs }, () => this.#kill(process));
  }

  /** Kills it, and waits for its end some moments only. */
  #kill(process: RunningProcess): void {
    if (this.#killed) return;
    this.#killed = true;
    process.kill(constants.signals.SIGKILL);
    this.#killing?.cancel();
    this.#killing = this.#limits.clock.setTimer({ inMs: MAX_KILL_MS }, () => this.#judgeAndFinish());
  }

  /** Calls back with what the line is as it stands: at once, or when another thread has judged it. */
  #judge(then: (judged: ResultVerdict) => void): void {
    const isComplete = this.#source?.isComplete() ?? this.#endReason !== 'time';
    if (!isComplete || this.#lastLine.overflowing) {
      then({});
      return;
    }
    if (this.#verdict !== undefined) {
      then(this.#verdict);
      return;
    }
    const { length } = this.#lastLine.heldLine();
    const line = withoutFinalLineBreak(this.#lastLine.heldLine());
    const { judgeInWorker } = this.#limits;
    if (judgeInWorker === undefined || length <= MAX_INLINE_LINE_BYTES) {
      this.#verdict =
        this.#source === undefined
          ? judgeResult(line)
          : judgeResult(Buffer.from(this.#lastLine.heldLine()), true);
      then(this.#verdict);
      return;
    }
    judgeInWorker(new Uint8Array(line)).then(
      (judged) => {
        if (this.#lastLine.heldLine().length === length) this.#verdict = judged;
        then(judged);
      },
      () => {
        this.#judgeLost = true;
        then({});
      },
    );
  }

  #judgeAndFinish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lateOutput?.cancel();
    this.#killing?.cancel();
    this.#exit = this.#process?.release(() => this.#killLeftovers());
    this.#judge((judged) => {
      let failure = judged.result === undefined ? this.#failure() : undefined;
      const tells = this.#endReason !== 'time' || this.#lastLine.heldLine().length > 0;
      if (this.#source === undefined && failure !== undefined && tells && !this.#lastLine.overflowing) {
        const line = Buffer.concat([withoutFinalLineBreak(this.#lastLine.heldLine()), LINE_BREAK]);
        this.#log.write('stdout', line);
        if (failure.code === 'run_killed') this.#logOomKill();
      }
      if (failure?.code === 'run_invalid_result') failure = this.#diagnose(failure);
      this.#lastLine.discard();
      this.#finish(judged, failure);
    });
  }

  #explainBy(source: ResultSource, failure: AnswerFailure): AnswerFailure {
    const { advice, ...explained } = source.explain(withoutFinalLineBreak(this.#lastLine.heldLine()));
    if (advice !== undefined) this.#log.write('stderr', Buffer.from(`${advice}\n`));
    return { ...failure, ...explained };
  }

  /** Why there is no result. Only what names a fault of a file's or a text's form is told in the log too (C-RUN-18). */
  #diagnose(failure: AnswerFailure): AnswerFailure {
    if (this.#source !== undefined) return this.#explainBy(this.#source, failure);
    const held = this.#lastLine.heldLine();
    const { reason, text, isLogged } = this.#limits.diagnoseMissingResult({
      line: held.length === 0 ? undefined : withoutFinalLineBreak(held),
      followsResult: this.#lastLine.followsResult,
      wroteStderr: this.#wroteStderr,
      exit: this.#exit,
    });
    if (isLogged) this.#log.write('stdout', Buffer.from(`error: ${text}\n`));
    return { ...failure, reason, explanation: text };
  }

  #logOomKill(): void {
    // Of a process that did not begin as a clone the maximum includes the memory of the server (getrusage(2)).
    const bytes = this.#engine === 'forkserver' ? this.#exit?.usage?.maxResidentBytes : undefined;
    const text = this.#limits.oomKills.explain(bytes);
    if (text !== undefined) this.#log.write('stdout', Buffer.from(`${text}\n`));
  }

  /** A group whose time is up is ended whole, whatever is set for leftovers. */
  #killLeftovers(): void {
    const areKept = this.#limits.config.leftovers === 'keep' && !this.isEnded;
    if (this.#process === undefined || areKept) return;
    this.#leftoversKilled = killProcessGroup(this.#process.pid);
  }

  #failure(): AnswerFailure {
    if (this.#endReason === 'time') return { code: 'run_timeout' };
    if (this.#endReason === 'shutdown' && !this.#exited) return { code: 'run_shutdown_killed' };
    if (this.#judgeLost) return { code: 'worker_lost' };
    if (this.#lastLine.exceededBudget) {
      return { code: 'run_result_no_memory', detail: String(this.#limits.budget.limitBytes) };
    }
    if (this.#lastLine.overflowing)
      return resultTooLarge(this.#lastLine.lineBytes, this.#limits.config.maxResultBytes);
    if (this.#source !== undefined) return this.#source.failure(this.#exit);
    if (this.#exit?.signal !== constants.signals.SIGKILL) return { code: 'run_invalid_result' };
    return { code: this.#limits.killedAtShutdown() ? 'run_shutdown_killed' : 'run_killed' };
  }

  /** It is over: ends its log, and answers once that is written. */
  #finish({ result, actionError }: ResultVerdict, failure: AnswerFailure | undefined): void {
    this.#isOver = true;
    this.#judged = { ...(result !== undefined && { result }), ...(failure !== undefined && { failure }) };
    this.#stdoutLines?.end();
    this.#stderrLines.end();
    // Whoever reads the logs finds them complete once the answer is there (C-LOG-01).
    this.#log.end(() => {
      this.#timeLimit?.cancel();
      this.#limits.inFlight.delete(this);
      this.#reservation.release();
      this.#resolve({ ...this.#judged, stats: { ...this.#stats(), ...(actionError && { actionError }) } });
    });
  }

  #stats(): RunAnswer['stats'] {
    const log = this.#log;
    return {
      logBytes: log.bytes,
      ...(log.isIncomplete && { logIncomplete: true }),
      ...(log.droppedBytes > 0 && { logBytesDropped: log.droppedBytes }),
      ...this.#request,
      ...(this.#startedMs !== undefined && { startMs: this.#startedMs - this.#begunMs }),
      ...(this.#startedMs !== undefined &&
        this.#exitedMs !== undefined && { runMs: this.#exitedMs - this.#startedMs }),
      ...(this.#engine !== undefined && { engine: this.#engine }),
      ...(this.#refusal !== undefined && { refusal: this.#refusal }),
      ...(this.#exit !== undefined && { exit: this.#exit }),
      ...(this.#leftoversKilled > 0 && { leftoversKilled: this.#leftoversKilled }),
    };
  }
}
