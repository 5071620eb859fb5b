import { constants } from 'node:os';
import { LastLine } from '../contract/last-line.js';
import { SENTINEL } from '../contract/messages.js';
import { isActionError, resultIn, withoutFinalBreak } from '../contract/result.js';
import { WholeLines } from '../contract/whole-lines.js';
import { type LogStream, NOBODY } from '../logs/log-stream.js';
import type { AnswerFailure, RunAnswer } from '../pool/messages.js';
import type { Alarm, AlarmTime, AwakeClock } from '../process/awake-clock.js';
import type { ProcessExit, ProcessObserver, RunningProcess } from '../process/engines/engine.js';
import { killGroup } from '../process/leftovers.js';

/** The server's own stdout and stderr, as this thread writes to them. */
export interface LogStreams {
  readonly stdout: LogStream;
  readonly stderr: LogStream;
  /** Whether the lines that end an activation's log are written. */
  readonly sentinels: boolean;
}

/** What an activation needs to know besides its request. */
export interface ActivationLimits {
  readonly maxResultBytes: number;
  readonly drainMs: number;
  /** From SIGTERM to SIGKILL when the time is up. */
  readonly timeoutGraceMs: number;
  /** Whether what is left of the process group is killed at the end (D-02). */
  readonly killsLeftovers: boolean;
  readonly clock: AwakeClock;
  /** Whether a shutdown has killed what still ran. */
  readonly killedAtShutdown: () => boolean;
  /** Why there is no result, by the last line and the exit status, as a line for the log; undefined for no reason. */
  readonly explainFailure: (line: Buffer, status: number | undefined) => string | undefined;
}

/** What an activation's facts say of its request. */
export interface RequestFacts {
  readonly argumentBytes: number;
  readonly activationId?: string;
}

/** A line of stderr longer than this is logged in pieces; bounded, for each activation holds one. */
const MAX_STDERR_LINE_BYTES = 1024 * 1024;

const SENTINEL_LINE = Buffer.from(`${SENTINEL}\n`);
const LINE_BREAK = Buffer.from('\n');

/**
 * One activation from its start to its answer: parts its output into logs and result, decides when it is
 * over, judges the result, ends its logs.
 *
 * It is over when `exec` has exited and either the result is there, or both streams have ended, or the time
 * for stragglers is up, whichever comes first (D-01). When its own time is up before that, its process group
 * is told to end, then killed, and it is over when `exec` has exited.
 */
export class Activation implements ProcessObserver {
  readonly #logs: LogStreams;
  readonly #limits: ActivationLimits;
  readonly #owner: number;
  readonly #resolve: (answer: RunAnswer) => void;
  readonly #lastLine: LastLine;
  readonly #stderrLines: WholeLines;
  readonly #request: RequestFacts;
  readonly #begunMs = performance.now();
  #startedMs: number | undefined;
  #exitedMs: number | undefined;
  #engine: string | undefined;
  #refusal: string | undefined;
  #process: RunningProcess | undefined;
  #exit: ProcessExit | undefined;
  #stragglers: Alarm | undefined;
  #timeLimit: Alarm | undefined;
  #killing: Alarm | undefined;
  #timeIsUp = false;
  #leftoversKilled = 0;
  #pausedFor = 0;
  #logBytes = 0;
  #actionError = false;

  /**
   * @param owner a number that no other activation in flight has, for its log lines
   * @param resolve gets the answer, once, after the sentinels have been written
   * @param time when it must be over; undefined for no limit
   */
  constructor(
    logs: LogStreams,
    limits: ActivationLimits,
    owner: number,
    request: RequestFacts,
    resolve: (answer: RunAnswer) => void,
    time?: AlarmTime,
  ) {
    this.#logs = logs;
    this.#limits = limits;
    this.#owner = owner;
    this.#request = request;
    this.#resolve = resolve;
    this.#lastLine = new LastLine(limits.maxResultBytes, (bytes, release) =>
      this.#log(logs.stdout, bytes, release),
    );
    this.#stderrLines = new WholeLines(MAX_STDERR_LINE_BYTES, (bytes) => this.#log(logs.stderr, bytes));
    if (time !== undefined) this.#timeLimit = limits.clock.alarm(time, () => this.#endForTime());
  }

  /** Whether its time is up: nothing should be started for it any more. */
  get timeIsUp(): boolean {
    return this.#timeIsUp;
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
    if (this.#timeIsUp) this.#terminate(process);
  }

  /** Nothing was started: logs the reason, if there is one to tell, and answers. */
  refuse(failure: AnswerFailure, log?: string): void {
    if (log !== undefined) this.#log(this.#logs.stdout, Buffer.from(`${log}\n`));
    this.#answer(undefined, failure);
  }

  /** Nothing was started, and somebody else runs the request. */
  abandon(): void {
    this.#timeLimit?.cancel();
  }

  stdout(chunk: Buffer): void {
    this.#lastLine.push(chunk);
    this.#holdBack(this.#logs.stdout);
  }

  stderr(chunk: Buffer): void {
    this.#stderrLines.push(chunk);
    this.#holdBack(this.#logs.stderr);
  }

  exited(streamsOpen: boolean): void {
    this.#exitedMs = performance.now();
    if (!streamsOpen || this.#timeIsUp || this.#result() !== undefined) {
      this.#conclude();
      return;
    }
    const { clock, drainMs } = this.#limits;
    this.#stragglers = clock.alarm({ inMs: drainMs }, () => this.#conclude());
  }

  streamsEnded(): void {
    this.#conclude();
  }

  #endForTime(): void {
    this.#timeIsUp = true;
    if (this.#process === undefined) return;
    if (this.#exitedMs === undefined) this.#terminate(this.#process);
    else this.#conclude();
  }

  #terminate(process: RunningProcess): void {
    process.kill(constants.signals.SIGTERM);
    const { clock, timeoutGraceMs } = this.#limits;
    this.#killing = clock.alarm({ inMs: timeoutGraceMs }, () => process.kill(constants.signals.SIGKILL));
  }

  #result(): Buffer | undefined {
    if (this.#timeIsUp || this.#lastLine.overflowing) return undefined;
    return resultIn(withoutFinalBreak(this.#lastLine.held()));
  }

  #conclude(): void {
    this.#stragglers?.cancel();
    this.#killing?.cancel();
    this.#exit = this.#process?.release(() => this.#killLeftovers());
    const result = this.#result();
    // The message to the main thread copies the whole buffer under a view: give it one of the exact size.
    const copy = result === undefined ? undefined : Uint8Array.from(result);
    let failure: AnswerFailure | undefined;
    if (result !== undefined) this.#actionError = isActionError(result);
    if (copy === undefined) {
      failure = this.#failure();
      const tells = !this.#timeIsUp || this.#lastLine.held().length > 0;
      if (tells && !this.#lastLine.overflowing) {
        const line = Buffer.concat([withoutFinalBreak(this.#lastLine.held()), LINE_BREAK]);
        this.#log(this.#logs.stdout, line);
        if (failure.code === 'run_invalid_result') this.#explain(line);
      }
    }
    this.#lastLine.drop();
    this.#answer(copy, failure);
  }

  #explain(line: Buffer): void {
    const text = this.#limits.explainFailure(line, this.#exit?.status);
    if (text !== undefined) this.#log(this.#logs.stdout, Buffer.from(`${text}\n`));
  }

  /** A group whose time is up is ended whole, whatever is set for leftovers. */
  #killLeftovers(): void {
    if (this.#process === undefined || !(this.#limits.killsLeftovers || this.#timeIsUp)) return;
    this.#leftoversKilled = killGroup(this.#process.pid);
  }

  #failure(): AnswerFailure {
    if (this.#timeIsUp) return { code: 'run_timeout' };
    if (this.#lastLine.overflowing) return { code: 'run_result_too_large' };
    if (this.#exit?.signal !== constants.signals.SIGKILL) return { code: 'run_invalid_result' };
    return { code: this.#limits.killedAtShutdown() ? 'run_shutdown_killed' : 'run_killed' };
  }

  #answer(result: Uint8Array | undefined, failure: AnswerFailure | undefined): void {
    this.#timeLimit?.cancel();
    this.#stderrLines.end();
    const { stdout, stderr } = this.#logs;
    if (this.#logs.sentinels) {
      stdout.write(NOBODY, SENTINEL_LINE);
      stderr.write(NOBODY, SENTINEL_LINE);
    }
    // Whoever reads the logs finds them complete once the answer is there (C-LOG-01).
    stdout.whenWritten(() => stderr.whenWritten(() => this.#resolve(this.#facts(result, failure))));
  }

  #facts(result: Uint8Array | undefined, failure: AnswerFailure | undefined): RunAnswer {
    return {
      ...(result !== undefined && { result }),
      ...(failure !== undefined && { failure }),
      facts: {
        logBytes: this.#logBytes,
        ...this.#request,
        ...(this.#startedMs !== undefined && { startMs: this.#startedMs - this.#begunMs }),
        ...(this.#startedMs !== undefined &&
          this.#exitedMs !== undefined && { runMs: this.#exitedMs - this.#startedMs }),
        ...(this.#engine !== undefined && { engine: this.#engine }),
        ...(this.#refusal !== undefined && { refusal: this.#refusal }),
        ...(this.#exit !== undefined && { exit: this.#exit }),
        ...(this.#leftoversKilled > 0 && { leftoversKilled: this.#leftoversKilled }),
        ...(this.#actionError && { actionError: true }),
      },
    };
  }

  #log(stream: LogStream, bytes: Buffer, release?: () => void): void {
    this.#logBytes += bytes.length;
    stream.write(this.#owner, bytes, release);
  }

  /** While a log's reader is behind, the action's pipes fill up and hold it back, not the server (D-19). */
  #holdBack(stream: LogStream): void {
    if (!stream.congested) return;
    this.#pausedFor++;
    this.#process?.pause();
    stream.whenRelieved(() => {
      if (--this.#pausedFor === 0) this.#process?.resume();
    });
  }
}
