import { join } from 'node:path';
import { explainLine } from '../action/explain-failure.js';
import { explainFile } from '../action/explain-start.js';
import type { ActionLoopConfig } from '../config/load.js';
import { MESSAGE_TWICE } from '../contract/messages.js';
import { isActionError, type Judged, resultIn, withoutFinalBreak } from '../contract/result.js';
import { type Failure, textOfFailure } from '../errors/table.js';
import { NOBODY } from '../logs/log-stream.js';
import type { LoopGauges } from '../metrics/gauges.js';
import type { ByteBudget } from '../pool/byte-budget.js';
import type { AnswerFailure, InitAnswer, LoopImage, RunAnswer } from '../pool/messages.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import { type FileScope, removeTree } from '../process/acting-as.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { Runner, RunRequest } from '../server/runner.js';
import type { TimeLimit } from '../server/time-limit.js';
import { ActivationLog, type LogStreams, writeSentinels, written } from '../worker/activation-log.js';
import type { LoopLauncher } from './channel.js';
import { LoopPool } from './pool.js';
import { UNFINISHED } from './recover.js';
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
  readonly logs: LogStreams;
  readonly clock: AwakeClock;
  readonly config: ActionLoopConfig;
  /** Of the bytes that long answers take. */
  readonly budget: ByteBudget;
  readonly initTimeoutMs: number;
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

/** What came of a turn. */
interface Verdict extends Judged {
  readonly failure?: AnswerFailure;
}

/** The ActionLoop protocol: the action stays, and gets a line for each activation (section 5). */
export class LoopRunner implements Runner {
  readonly initialised = { type: 'application/json', body: '{"ok":true}\n' };
  readonly #parts: LoopRunnerParts;
  readonly #members: LoopPool;
  /** The logs of activations that are over and wait for theirs to be written. */
  readonly #ending = new Set<ActivationLog>();
  /** Whether a process of the action has ever answered. */
  #hasAnswered = false;

  constructor(parts: LoopRunnerParts) {
    const { budget, clock, config, initTimeoutMs, maxResultBytes, timeoutGraceMs, waitForAcknowledgement } =
      parts;
    this.#parts = parts;
    const limits = {
      ...config,
      budget,
      clock,
      initTimeoutMs,
      maxResultBytes,
      graceMs: timeoutGraceMs,
      waitForAcknowledgement,
    };
    this.#members = new LoopPool(parts.launch, limits, (line) => this.#tellExtraLine(line));
  }

  get gauges(): LoopGauges {
    return this.#members.gauges;
  }

  async run({ body }: RunRequest, time: TimeLimit | undefined): Promise<RunAnswer> {
    const begunMs = performance.now();
    if (this.#members.image === undefined) return this.#answer(time, { code: 'loop_no_action' });
    const line = body.byteLength > LARGE_BODY_BYTES ? await this.#parts.pool.loopLine(body) : lineOf(body);
    if ('code' in line) return this.#answer(time, line);
    const turn: Turn = { line: Buffer.from(line.buffer, line.byteOffset, line.byteLength), settle: () => {} };
    const { end, timeIsUp } = await this.#turn(turn, time);
    const { actionError, ...answer } = await this.#judge(end, timeIsUp);
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
    return this.#answer(time, answer.failure, { ...answer, facts });
  }

  async init(body: Uint8Array): Promise<InitAnswer> {
    const begunMs = performance.now();
    const { pool, initTimeoutMs } = this.#parts;
    const { image, log, advice, ...told } = await pool.installLoop(body, initTimeoutMs);
    if (log !== undefined && told.failure?.code === 'loop_start_failed') this.#log('stdout', `${log}\n`);
    if (advice !== undefined) this.#log('stderr', `${advice}\n`);
    if (told.failure !== undefined || image === undefined) {
      return { ...told, failure: await this.#tellInitFailure(told.failure ?? { code: 'internal' }) };
    }
    const before = this.#members.image;
    const installedMs = performance.now();
    const problem = await this.#members.replace(image, Math.max(0, initTimeoutMs - told.durationMs));
    const startMs = performance.now() - installedMs;
    if (problem === undefined) {
      this.#hasAnswered = false;
      await removeTree(join(image.folder, UNFINISHED), this.#parts.scope);
      if (before !== undefined) this.#removeLater(before);
      return { ...told, startMs, durationMs: performance.now() - begunMs };
    }
    this.#explain(image);
    this.#removeLater(image);
    const failure = await this.#tellInitFailure(
      pool.killedAll ? { code: 'init_shutdown_killed' } : { code: 'loop_start_failed', detail: problem },
    );
    return { ...told, startMs, failure, durationMs: performance.now() - begunMs };
  }

  async refuseInit(): Promise<InitAnswer> {
    this.#log('stderr', `${MESSAGE_TWICE}\n`);
    await written(this.#parts.logs);
    return { failure: { code: 'init_twice' }, durationMs: 0, codeBytes: 0 };
  }

  async writeSentinels(): Promise<void> {
    const { logs } = this.#parts;
    if (logs.sentinels) await writeSentinels(logs);
  }

  killAll(): void {
    this.#parts.pool.killAll();
    this.#members.killAll();
    for (const log of this.#ending) log.hurry(undefined);
  }

  async stop(): Promise<void> {
    await this.#members.stop();
    this.#parts.logs.stdout.close();
    this.#parts.logs.stderr.close();
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

  async #judge(end: TurnEnd, timeIsUp: boolean): Promise<Verdict> {
    if (timeIsUp) return { failure: { code: 'run_timeout' } };
    switch (end.kind) {
      case 'answered':
        this.#hasAnswered = true;
        return this.#judgeLine(end.line);
      case 'too-long':
        return { failure: this.#tooLong(end.lacksRoom) };
      case 'exited':
        if (!this.#hasAnswered) this.#explain(this.#members.image);
        return { failure: { code: this.#parts.pool.killedAll ? 'run_shutdown_killed' : 'loop_exited' } };
      case 'not-started':
      case 'taken-back':
        if (!this.#hasAnswered) this.#explain(this.#members.image);
        return {
          failure: { code: this.#parts.pool.killedAll ? 'run_shutdown_killed' : 'loop_not_restarted' },
        };
    }
  }

  /** Ends the activation's log, and answers once that is written, or its time is up, or a shutdown kills. */
  async #answer(
    time: TimeLimit | undefined,
    failure: AnswerFailure | undefined,
    answer: RunAnswer = { facts: { logBytes: 0, argumentBytes: 0 } },
  ): Promise<RunAnswer> {
    const { logs, clock, pool } = this.#parts;
    const log = new ActivationLog(logs, NOBODY, clock);
    if (pool.killedAll) log.hurry(undefined);
    this.#ending.add(log);
    await new Promise<void>((resolve) => {
      const limit = time && clock.alarm(time.left(), () => log.hurry(undefined));
      log.end(() => {
        limit?.cancel();
        resolve();
      });
    });
    this.#ending.delete(log);
    const facts = { ...answer.facts, ...(log.incomplete && { logIncomplete: true as const }) };
    return { ...answer, ...(failure !== undefined && { failure }), facts };
  }

  /** What an init's failure is answered with; where OW_LOG_INIT_ERROR asks for it the reason is only logged. */
  async #tellInitFailure(failure: Failure): Promise<Failure> {
    const isCallers = failure.code.startsWith('loop_no_code') || failure.code.startsWith('loop_bad_');
    if (isCallers || !this.#parts.logsInitErrors) {
      await written(this.#parts.logs);
      return failure;
    }
    const isStart = failure.code === 'loop_start_failed';
    this.#log('stderr', `${isStart ? failure.detail : textOfFailure(failure)}\n`);
    await this.writeSentinels();
    return { code: isStart ? 'loop_start_logged' : 'loop_init_logged' };
  }

  #tooLong(lacksRoom: boolean): AnswerFailure {
    if (!lacksRoom) return { code: 'run_result_too_large' };
    return { code: 'run_result_no_memory', detail: String(this.#parts.budget.limitBytes) };
  }

  /** The line itself is the answer, with its line feed (C-AL-14). */
  async #judgeLine(line: Buffer): Promise<Verdict> {
    if (line.length > LARGE_BODY_BYTES) {
      const judged = await this.#parts.pool.judge(new Uint8Array(line), true);
      return judged.result === undefined ? this.#invalid(line) : judged;
    }
    const result = resultIn(withoutFinalBreak(line));
    if (result === undefined) return this.#invalid(line);
    return { result: line, ...(isActionError(result) && { actionError: true }) };
  }

  /** Why an action does not run, where its file shows that. */
  #explain(image: LoopImage | undefined): void {
    const { pool, scope } = this.#parts;
    if (image === undefined || pool.killedAll) return;
    const seen = scope(() => explainFile(image.exec));
    if (seen !== undefined) this.#log('stderr', `${seen}\n`);
  }

  #invalid(line: Buffer): Verdict {
    const advice = explainLine(withoutFinalBreak(line));
    if (advice !== undefined) this.#log('stderr', `${advice}\n`);
    return { failure: { code: 'run_invalid_result' } };
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
      .then(() => removeTree(folder, this.#parts.scope))
      .catch(() => {
        // What can't be removed harms nobody: the next init takes the next number.
      });
  }

  #log(stream: 'stdout' | 'stderr', text: string): void {
    this.#parts.logs[stream].offer(NOBODY, Buffer.from(text));
  }
}
