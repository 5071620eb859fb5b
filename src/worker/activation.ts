import { constants } from 'node:os';
import { LastLine } from '../contract/last-line.js';
import { SENTINEL } from '../contract/messages.js';
import { resultIn, withoutFinalBreak } from '../contract/result.js';
import { WholeLines } from '../contract/whole-lines.js';
import { type LogStream, NOBODY } from '../logs/log-stream.js';
import type { AnswerFailure, RunAnswer } from '../pool/messages.js';
import type { ProcessExit, ProcessObserver, RunningProcess } from '../process/engines/engine.js';

/** The server's own stdout and stderr, as this thread writes to them. */
export interface LogStreams {
  readonly stdout: LogStream;
  readonly stderr: LogStream;
}

/** What an activation needs to know besides its request. */
export interface ActivationLimits {
  readonly maxResultBytes: number;
  readonly drainMs: number;
  /** Whether a shutdown has killed what still ran. */
  readonly killedAtShutdown: () => boolean;
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
 * for stragglers is up, whichever comes first (D-01).
 */
export class Activation implements ProcessObserver {
  readonly #logs: LogStreams;
  readonly #limits: ActivationLimits;
  readonly #owner: number;
  readonly #resolve: (answer: RunAnswer) => void;
  readonly #lastLine: LastLine;
  readonly #stderrLines: WholeLines;
  readonly #argumentBytes: number;
  readonly #begunMs = performance.now();
  #startedMs: number | undefined;
  #exitedMs: number | undefined;
  #engine: string | undefined;
  #refusal: string | undefined;
  #process: RunningProcess | undefined;
  #exit: ProcessExit | undefined;
  #stragglers: NodeJS.Timeout | undefined;
  #pausedFor = 0;
  #logBytes = 0;

  /**
   * @param owner a number that no other activation in flight has, for its log lines
   * @param resolve gets the answer, once, after the sentinels have been written
   */
  constructor(
    logs: LogStreams,
    limits: ActivationLimits,
    owner: number,
    argumentBytes: number,
    resolve: (answer: RunAnswer) => void,
  ) {
    this.#logs = logs;
    this.#limits = limits;
    this.#owner = owner;
    this.#argumentBytes = argumentBytes;
    this.#resolve = resolve;
    this.#lastLine = new LastLine(limits.maxResultBytes, (bytes, release) =>
      this.#log(logs.stdout, bytes, release),
    );
    this.#stderrLines = new WholeLines(MAX_STDERR_LINE_BYTES, (bytes) => this.#log(logs.stderr, bytes));
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
  }

  /** Nothing was started: logs the reason, if there is one to tell, and answers. */
  refuse(failure: AnswerFailure, log?: string): void {
    if (log !== undefined) this.#log(this.#logs.stdout, Buffer.from(`${log}\n`));
    this.#answer(undefined, failure);
  }

  stdout(chunk: Buffer): void {
    this.#lastLine.push(chunk);
    this.#holdBack(this.#logs.stdout);
  }

  stderr(chunk: Buffer): void {
    this.#stderrLines.push(chunk);
    this.#holdBack(this.#logs.stderr);
  }

  exited(exit: ProcessExit, streamsOpen: boolean): void {
    this.#exit = exit;
    this.#exitedMs = performance.now();
    if (!streamsOpen || this.#result() !== undefined) this.#conclude();
    else this.#stragglers = setTimeout(() => this.#conclude(), this.#limits.drainMs);
  }

  streamsEnded(): void {
    this.#conclude();
  }

  #result(): Buffer | undefined {
    if (this.#lastLine.overflowing) return undefined;
    return resultIn(withoutFinalBreak(this.#lastLine.held()));
  }

  #conclude(): void {
    clearTimeout(this.#stragglers);
    this.#process?.release();
    const result = this.#result();
    // The message to the main thread copies the whole buffer under a view: give it one of the exact size.
    const copy = result === undefined ? undefined : Uint8Array.from(result);
    let failure: AnswerFailure | undefined;
    if (copy === undefined) {
      failure = { code: this.#failureCode() };
      if (!this.#lastLine.overflowing) {
        const line = Buffer.concat([withoutFinalBreak(this.#lastLine.held()), LINE_BREAK]);
        this.#log(this.#logs.stdout, line);
      }
    }
    this.#lastLine.drop();
    this.#answer(copy, failure);
  }

  #failureCode(): AnswerFailure['code'] {
    if (this.#lastLine.overflowing) return 'run_result_too_large';
    const killed = this.#exit?.signal === constants.signals.SIGKILL && this.#limits.killedAtShutdown();
    return killed ? 'run_shutdown_killed' : 'run_invalid_result';
  }

  #answer(result: Uint8Array | undefined, failure: AnswerFailure | undefined): void {
    this.#stderrLines.end();
    const { stdout, stderr } = this.#logs;
    stdout.write(NOBODY, SENTINEL_LINE);
    stderr.write(NOBODY, SENTINEL_LINE);
    // Whoever reads the logs finds them complete once the answer is there (C-LOG-01).
    stdout.whenWritten(() => stderr.whenWritten(() => this.#resolve(this.#facts(result, failure))));
  }

  #facts(result: Uint8Array | undefined, failure: AnswerFailure | undefined): RunAnswer {
    return {
      ...(result !== undefined && { result }),
      ...(failure !== undefined && { failure }),
      facts: {
        logBytes: this.#logBytes,
        argumentBytes: this.#argumentBytes,
        ...(this.#startedMs !== undefined && { startMs: this.#startedMs - this.#begunMs }),
        ...(this.#startedMs !== undefined &&
          this.#exitedMs !== undefined && { runMs: this.#exitedMs - this.#startedMs }),
        ...(this.#engine !== undefined && { engine: this.#engine }),
        ...(this.#refusal !== undefined && { refusal: this.#refusal }),
        ...(this.#exit !== undefined && { exit: this.#exit }),
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
