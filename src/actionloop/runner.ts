import { rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import type { ActionLoopConfig } from '../config/load.js';
import { MESSAGE_TWICE, SENTINEL } from '../contract/messages.js';
import { isActionError, resultIn, withoutFinalBreak } from '../contract/result.js';
import { type Failure, textOfFailure } from '../errors/table.js';
import { type LogStream, NOBODY } from '../logs/log-stream.js';
import type { LoopGauges } from '../metrics/gauges.js';
import type { AnswerFailure, InitAnswer, LoopImage, RunAnswer } from '../pool/messages.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import { asServer, type FileScope } from '../process/acting-as.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { Received } from '../server/receive.js';
import type { Runner } from '../server/runner.js';
import type { TimeLimit } from '../server/time-limit.js';
import type { LoopLauncher } from './channel.js';
import { LoopPool } from './pool.js';
import { lineOf } from './run-line.js';
import type { Turn, TurnEnd } from './turns.js';

/** What the protocol is set up with. */
export interface LoopRunnerParts {
  /** Works on the files of the action. */
  readonly scope: FileScope;
  readonly pool: WorkerPool;
  readonly launch: LoopLauncher;
  /** Called when no process is left. */
  readonly close: () => void;
  readonly logs: { readonly stdout: LogStream; readonly stderr: LogStream; readonly sentinels: boolean };
  readonly clock: AwakeClock;
  readonly config: ActionLoopConfig;
  readonly maxResultBytes: number;
  readonly timeoutGraceMs: number;
  /** OW_WAIT_FOR_ACK: whether a process acknowledges its start (D-09). */
  readonly waitForAcknowledgement: boolean;
  /** OW_LOG_INIT_ERROR: whether the reason of a failed init goes to the logs instead of the answer (C-AL-12). */
  readonly logsInitErrors: boolean;
}

/** Larger bodies are read in a worker: their check would hold up every other request. */
const LARGE_BODY_BYTES = 256 * 1024;
/** So much of a line that answers nothing is shown in the log. */
const SHOWN_BYTES = 200;
const SENTINEL_LINE = Buffer.from(`${SENTINEL}\n`);

/** What came of a turn. */
interface Judged {
  readonly result?: Uint8Array;
  readonly actionError?: boolean;
  readonly failure?: AnswerFailure;
}

/** The ActionLoop protocol: the action stays, and gets a line for each activation (section 5). */
export class LoopRunner implements Runner {
  readonly initialised = { type: 'application/json', body: '{"ok":true}\n' };
  readonly #parts: LoopRunnerParts;
  readonly #members: LoopPool;

  constructor(parts: LoopRunnerParts) {
    const { clock, config, maxResultBytes, timeoutGraceMs, waitForAcknowledgement } = parts;
    this.#parts = parts;
    const limits = { ...config, clock, maxResultBytes, graceMs: timeoutGraceMs, waitForAcknowledgement };
    this.#members = new LoopPool(parts.launch, limits, (line) => this.#tellExtraLine(line));
  }

  get gauges(): LoopGauges {
    return this.#members.gauges;
  }

  async run({ body }: Received, time: TimeLimit | undefined): Promise<RunAnswer> {
    const begunMs = performance.now();
    if (this.#members.image === undefined) return this.#answer({ code: 'loop_no_action' });
    const line = body.byteLength > LARGE_BODY_BYTES ? await this.#parts.pool.loopLine(body) : lineOf(body);
    if ('code' in line) return this.#answer(line);
    const turn: Turn = { line: Buffer.from(line.buffer, line.byteOffset, line.byteLength), settle: () => {} };
    const { end, timeIsUp } = await this.#turn(turn, time);
    const { actionError, ...answer } = this.#judge(end, timeIsUp);
    const facts = {
      logBytes: 0,
      argumentBytes: turn.line.length,
      engine: 'actionloop',
      ...(turn.givenMs !== undefined && {
        startMs: turn.givenMs - begunMs,
        runMs: performance.now() - turn.givenMs,
      }),
      ...(end.kind === 'exited' && { exit: end.exit }),
      ...(actionError && { actionError: true as const }),
    };
    return this.#answer(answer.failure, { ...answer, facts });
  }

  async init(body: Uint8Array): Promise<InitAnswer> {
    const begunMs = performance.now();
    const answer = await this.#parts.pool.installLoop(body, this.#parts.config.initTimeoutMs);
    const { image, log, ...told } = answer;
    if (log !== undefined && told.failure?.code === 'loop_start_failed') this.#log('stdout', `${log}\n`);
    if (told.failure !== undefined || image === undefined) {
      return { ...told, failure: await this.#tellInitFailure(told.failure ?? { code: 'internal' }) };
    }
    const before = this.#members.image;
    const installedMs = performance.now();
    const problem = await this.#members.replace(image);
    const startMs = performance.now() - installedMs;
    if (problem === undefined) {
      if (before !== undefined) this.#removeLater(before);
      return { ...told, startMs, durationMs: performance.now() - begunMs };
    }
    this.#removeLater(image);
    const failure = await this.#tellInitFailure({ code: 'loop_start_failed', detail: problem });
    return { ...told, startMs, failure, durationMs: performance.now() - begunMs };
  }

  async refuseInit(): Promise<InitAnswer> {
    this.#log('stderr', `${MESSAGE_TWICE}\n`);
    await this.#written();
    return { failure: { code: 'init_twice' }, durationMs: 0, codeBytes: 0 };
  }

  async writeSentinels(): Promise<void> {
    const { stdout, stderr, sentinels } = this.#parts.logs;
    if (!sentinels) return;
    stdout.write(NOBODY, SENTINEL_LINE);
    stderr.write(NOBODY, SENTINEL_LINE);
    await this.#written();
  }

  killAll(): void {
    this.#parts.pool.killAll();
    this.#members.killAll();
  }

  async stop(): Promise<void> {
    await this.#members.stop();
    this.#parts.close();
  }

  /** An activation's way through a process, or out of the queue when its time is up. */
  async #turn(turn: Turn, time: TimeLimit | undefined): Promise<{ end: TurnEnd; timeIsUp: boolean }> {
    let timeIsUp = false;
    const end = new Promise<TurnEnd>((resolve) => {
      turn.settle = resolve;
    });
    this.#members.submit(turn);
    if (time === undefined) return { end: await end, timeIsUp };
    const alarm = this.#parts.clock.alarm(time.left(), () => {
      timeIsUp = true;
      this.#members.takeBack(turn);
    });
    const ended = await end;
    alarm.cancel();
    return { end: ended, timeIsUp };
  }

  #judge(end: TurnEnd, timeIsUp: boolean): Judged {
    if (timeIsUp) return { failure: { code: 'run_timeout' } };
    switch (end.kind) {
      case 'answered':
        return judgeLine(end.line);
      case 'too-long':
        return { failure: { code: 'run_result_too_large' } };
      case 'exited':
        return { failure: { code: this.#parts.pool.killedAll ? 'run_shutdown_killed' : 'loop_exited' } };
      case 'not-started':
      case 'taken-back':
        return {
          failure: { code: this.#parts.pool.killedAll ? 'run_shutdown_killed' : 'loop_not_restarted' },
        };
    }
  }

  async #answer(
    failure: AnswerFailure | undefined,
    answer: RunAnswer = { facts: { logBytes: 0, argumentBytes: 0 } },
  ): Promise<RunAnswer> {
    await this.writeSentinels();
    return failure === undefined ? answer : { ...answer, failure };
  }

  /** What an init's failure is answered with; where OW_LOG_INIT_ERROR asks for it the reason is only logged. */
  async #tellInitFailure(failure: Failure): Promise<Failure> {
    const isCallers = failure.code.startsWith('loop_no_code') || failure.code.startsWith('loop_bad_');
    if (isCallers || !this.#parts.logsInitErrors) {
      await this.#written();
      return failure;
    }
    const isStart = failure.code === 'loop_start_failed';
    this.#log('stderr', `${isStart ? failure.detail : textOfFailure(failure)}\n`);
    await this.writeSentinels();
    return { code: isStart ? 'loop_start_logged' : 'loop_init_logged' };
  }

  #tellExtraLine(line: Buffer): void {
    const shown = line.subarray(0, SHOWN_BYTES).toString('utf8').trimEnd();
    this.#log(
      'stderr',
      `error: the action wrote a line that answers no request: ${shown}\n` +
        'error: its process was ended, for its next line could be taken for the answer to another request.\n',
    );
  }

  #removeLater({ folder }: LoopImage): void {
    this.#members
      .whenGone(folder)
      .then(() => this.#remove(folder))
      .catch(() => {
        // What can't be removed harms nobody: the next init takes the next number.
      });
  }

  async #remove(folder: string): Promise<void> {
    const { scope } = this.#parts;
    const options = { recursive: true, force: true };
    // Other rights are this thread's for a moment only.
    if (scope === asServer) await rm(folder, options);
    else scope(() => rmSync(folder, options));
  }

  #log(stream: 'stdout' | 'stderr', text: string): void {
    this.#parts.logs[stream].write(NOBODY, Buffer.from(text));
  }

  #written(): Promise<void> {
    const { stdout, stderr } = this.#parts.logs;
    return new Promise((resolve) => stdout.whenWritten(() => stderr.whenWritten(resolve)));
  }
}

function judgeLine(line: Buffer): Judged {
  const result = resultIn(withoutFinalBreak(line));
  if (result === undefined) return { failure: { code: 'run_invalid_result' } };
  return { result: line, actionError: isActionError(result) };
}
