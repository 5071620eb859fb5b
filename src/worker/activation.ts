import { constants } from 'node:os';
import { LastLine } from '../contract/last-line.js';
import { SENTINEL } from '../contract/messages.js';
import { type Judged, judge, withoutFinalBreak } from '../contract/result.js';
import { WholeLines } from '../contract/whole-lines.js';
import { type LogStream, NOBODY } from '../logs/log-stream.js';
import type { ByteBudget, ByteHold } from '../pool/byte-budget.js';
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
  /** Of which a result takes what it needs. */
  readonly budget: ByteBudget;
  /** Judges a long line in another thread; undefined: this thread judges every line itself. */
  readonly judgeElsewhere?: (line: Uint8Array) => Promise<Judged>;
  /** Whether a shutdown has killed what still ran. */
  readonly killedAtShutdown: () => boolean;
}

/** What an activation's facts say of its request. */
export interface RequestFacts {
  readonly argumentBytes: number;
  readonly activationId?: string;
}

/** A line of stderr longer than this is logged in pieces; bounded, for each activation holds one. */
const MAX_STDERR_LINE_BYTES = 1024 * 1024;

/** A shorter line is judged at once. */
const MAX_LINE_BYTES_HERE = 64 * 1024;

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
  readonly #room: ByteHold;
  /** Of the line as it stands; undefined once more of it comes. */
  #judged: Judged | undefined;
  #judgeLost = false;
  #isOver = false;

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
    this.#room = limits.budget.hold();
    this.#lastLine = new LastLine(
      limits.maxResultBytes,
      (bytes, release) => this.#log(logs.stdout, bytes, release),
      this.#room,
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
    this.#answer({}, failure);
  }

  /** Nothing was started, and somebody else runs the request. */
  abandon(): void {
    this.#timeLimit?.cancel();
  }

  stdout(chunk: Buffer): void {
    this.#judged = undefined;
    this.#lastLine.push(chunk);
    this.#holdBack(this.#logs.stdout);
  }

  stderr(chunk: Buffer): void {
    this.#stderrLines.push(chunk);
    this.#holdBack(this.#logs.stderr);
  }

  exited(streamsOpen: boolean): void {
    this.#exitedMs = performance.now();
    if (!streamsOpen || this.#timeIsUp) {
      this.#conclude();
      return;
    }
    this.#judge(({ result }) => {
      if (this.#isOver) return;
      if (result !== undefined && this.#judged !== undefined) {
        this.#conclude();
        return;
      }
      const { clock, drainMs } = this.#limits;
      this.#stragglers = clock.alarm({ inMs: drainMs }, () => this.#conclude());
    });
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

  /** Calls back with what the line is as it stands: at once, or when another thread has judged it. */
  #judge(then: (judged: Judged) => void): void {
    if (this.#timeIsUp || this.#lastLine.overflowing) {
      then({});
      return;
    }
    if (this.#judged !== undefined) {
      then(this.#judged);
      return;
    }
    const line = withoutFinalBreak(this.#lastLine.held());
    const { judgeElsewhere } = this.#limits;
    if (judgeElsewhere === undefined || line.length <= MAX_LINE_BYTES_HERE) {
      this.#judged = judge(line);
      then(this.#judged);
      return;
    }
    const length = this.#lastLine.held().length;
    judgeElsewhere(new Uint8Array(line)).then(
      (judged) => {
        if (this.#lastLine.held().length === length) this.#judged = judged;
        then(judged);
      },
      () => {
        this.#judgeLost = true;
        then({});
      },
    );
  }

  #conclude(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#stragglers?.cancel();
    this.#killing?.cancel();
    this.#timeLimit?.cancel();
    this.#exit = this.#process?.release(() => this.#killLeftovers());
    this.#judge((judged) => {
      let failure: AnswerFailure | undefined;
      if (judged.result === undefined) {
        failure = this.#failure();
        const tells = !this.#timeIsUp || this.#lastLine.held().length > 0;
        if (tells && !this.#lastLine.overflowing) {
          const line = Buffer.concat([withoutFinalBreak(this.#lastLine.held()), LINE_BREAK]);
          this.#log(this.#logs.stdout, line);
        }
      }
      this.#lastLine.drop();
      this.#answer(judged, failure);
    });
  }

  /** A group whose time is up is ended whole, whatever is set for leftovers. */
  #killLeftovers(): void {
    if (this.#process === undefined || !(this.#limits.killsLeftovers || this.#timeIsUp)) return;
    this.#leftoversKilled = killGroup(this.#process.pid);
  }

  #failure(): AnswerFailure {
    if (this.#timeIsUp) return { code: 'run_timeout' };
    if (this.#judgeLost) return { code: 'worker_lost' };
    if (this.#lastLine.lacksRoom) {
      return { code: 'run_result_no_memory', detail: String(this.#limits.budget.limitBytes) };
    }
    if (this.#lastLine.overflowing) return { code: 'run_result_too_large' };
    if (this.#exit?.signal !== constants.signals.SIGKILL) return { code: 'run_invalid_result' };
    return { code: this.#limits.killedAtShutdown() ? 'run_shutdown_killed' : 'run_killed' };
  }

  #answer(judged: Judged, failure: AnswerFailure | undefined): void {
    this.#timeLimit?.cancel();
    this.#stderrLines.end();
    const { stdout, stderr } = this.#logs;
    if (this.#logs.sentinels) {
      stdout.write(NOBODY, SENTINEL_LINE);
      stderr.write(NOBODY, SENTINEL_LINE);
    }
    // Whoever reads the logs finds them complete once the answer is there (C-LOG-01).
    stdout.whenWritten(() =>
      stderr.whenWritten(() => {
        this.#room.release();
        this.#resolve(this.#facts(judged, failure));
      }),
    );
  }

  #facts({ result, actionError }: Judged, failure: AnswerFailure | undefined): RunAnswer {
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
        ...(actionError && { actionError }),
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
