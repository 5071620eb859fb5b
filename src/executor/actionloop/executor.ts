import { join } from 'node:path';
import { UNFINISHED_MARKER } from '../../action/actionloop/recover.js';
import { diagnoseLine, explainEnd } from '../../action/diagnose-result.js';
import { explainFile } from '../../action/diagnose-start.js';
import {
  ActivationLog,
  type LogStreams,
  whenWritten,
  writeSentinels,
} from '../../activation/activation-log.js';
import type { ActionLoopConfig } from '../../config/load.js';
import { NO_OWNER } from '../../logging/action-log/log-stream.js';
import type { ActionLoopGauges } from '../../observability/metrics/gauges.js';
import { type FileScope, removeTree } from '../../os/file-scope.js';
import type { ClockTimer, FreezeAwareClock } from '../../os/freeze-aware-clock.js';
import { encodeRequestLine } from '../../protocol/actionloop/request-line.js';
import type { AnswerFailure, InitAnswer, ProcessExit, RunAnswer } from '../../protocol/answer.js';
import { type Failure, textOfFailure } from '../../protocol/errors.js';
import { explainLine } from '../../protocol/invalid-result.js';
import {
  isActionError,
  parseResult,
  type ResultVerdict,
  withoutFinalLineBreak,
} from '../../protocol/result.js';
import { MESSAGE_TWICE } from '../../protocol/texts.js';
import type { ByteBudget } from '../../shared-memory/byte-budget.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { WorkerPool } from '../../threads/worker-pool.js';
import type { Executor, RunRequest } from '../executor.js';
import type { TimeLimit } from '../time-limit.js';
import type { ActionLoopLauncher } from './channel.js';
import type { PendingRequest, RequestOutcome } from './pending-requests.js';
import { ActionLoopPool } from './process-pool.js';

/** What the protocol is set up with. */
interface ActionLoopExecutorParts {
  /** Works on the files of the action. */
  readonly scope: FileScope;
  readonly pool: WorkerPool;
  readonly launch: ActionLoopLauncher;
  /** Called when no process is left. */
  readonly close: () => void;
  readonly logs: LogStreams;
  readonly clock: FreezeAwareClock;
  readonly config: ActionLoopConfig;
  /** Of the bytes that long answers take. */
  readonly budget: ByteBudget;
  readonly initTimeoutMs: number;
  readonly maxResultBytes: number;
  readonly timeoutGraceMs: number;
  /** OW_WAIT_FOR_ACK: whether a process acknowledges its start (C-AL-10). */
  readonly waitForAcknowledgement: boolean;
  /** OW_LOG_INIT_ERROR: whether the reason of a failed init goes to the logs instead of the answer (C-AL-12). */
  readonly logsInitErrors: boolean;
}

/** Larger bodies are read in a worker: their check would hold up every other request. */
const LARGE_BODY_BYTES = 256 * 1024;
/** So much of a line that answers nothing is shown in the log. */
const MAX_LOGGED_BYTES = 200;

/** So long the first answer of an action may take before whoever waits for it is told how one is given. */
const HINT_AFTER_MS = 5000;
const HINT =
  'no answer for 5 seconds: an ActionLoop action writes each result to descriptor 3, not to standard output, as one line, and flushes it';

/** What came of a turn. */
interface Verdict extends ResultVerdict {
  readonly failure?: AnswerFailure;
}

/** The ActionLoop protocol: the action stays, and gets a line for each activation (C-AL-01 to C-AL-23). */
export class ActionLoopExecutor implements Executor {
  onHint?: (text: string) => void;
  readonly initResponse = { type: 'application/json', body: '{"ok":true}\n' };
  readonly #parts: ActionLoopExecutorParts;
  readonly #processes: ActionLoopPool;
  /** The logs of activations that are over and wait for theirs to be written. */
  readonly #closingLogs = new Set<ActivationLog>();
  /** Whether a process of the action has ever answered. */
  #hasAnswered = false;

  constructor(parts: ActionLoopExecutorParts) {
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
    this.#processes = new ActionLoopPool(parts.launch, limits, (line) => this.#logExtraLine(line));
  }

  get gauges(): ActionLoopGauges {
    return this.#processes.gauges;
  }

  async execute({ body }: RunRequest, time: TimeLimit | undefined): Promise<RunAnswer> {
    const begunMs = performance.now();
    if (this.#processes.image === undefined) return this.#answer(time, { code: 'loop_no_action' });
    const line =
      body.byteLength > LARGE_BODY_BYTES
        ? await this.#parts.pool.encodeActionLoopLine(body)
        : encodeRequestLine(body);
    if ('code' in line) return this.#answer(time, line);
    const request: PendingRequest = {
      line: Buffer.from(line.buffer, line.byteOffset, line.byteLength),
      settle: () => {},
    };
    const { end, timedOut } = await this.#exchange(request, time);
    const { actionError, ...answer } = await this.#judgeOutcome(end, timedOut);
    const stats = {
      logBytes: 0,
      argumentBytes: request.line.length,
      engine: 'actionloop',
      ...(request.sentMs !== undefined && {
        startMs: request.sentMs - begunMs,
        runMs: performance.now() - request.sentMs,
      }),
      ...(end.kind === 'exited' && { exit: end.exit }),
      ...(actionError && { actionError: true as const }),
    };
    return this.#answer(time, answer.failure, { ...answer, stats });
  }

  async init(body: Uint8Array): Promise<InitAnswer> {
    const begunMs = performance.now();
    const { pool, initTimeoutMs } = this.#parts;
    const { image, stdoutLog, stderrLog, ...reported } = await pool.installActionLoop(body, initTimeoutMs);
    if (stdoutLog !== undefined && reported.failure?.code === 'loop_start_failed')
      this.#log('stdout', `${stdoutLog}\n`);
    if (stderrLog !== undefined) this.#log('stderr', `${stderrLog}\n`);
    if (reported.failure !== undefined || image === undefined) {
      return {
        ...reported,
        failure: await this.#reportInitFailure(reported.failure ?? { code: 'internal' }),
      };
    }
    const before = this.#processes.image;
    const installedMs = performance.now();
    const problem = await this.#processes.replace(image, Math.max(0, initTimeoutMs - reported.durationMs));
    const startMs = performance.now() - installedMs;
    if (problem === undefined) {
      this.#hasAnswered = false;
      await removeTree(join(image.folder, UNFINISHED_MARKER), this.#parts.scope);
      if (before !== undefined) this.#removeLater(before);
      return { ...reported, startMs, durationMs: performance.now() - begunMs };
    }
    this.#explain(image);
    this.#removeLater(image);
    const failure = await this.#reportInitFailure(
      pool.killedAll ? { code: 'init_shutdown_killed' } : { code: 'loop_start_failed', detail: problem },
    );
    return { ...reported, startMs, failure, durationMs: performance.now() - begunMs };
  }

  async refuseInit(): Promise<InitAnswer> {
    this.#log('stderr', `${MESSAGE_TWICE}\n`);
    await whenWritten(this.#parts.logs);
    return { failure: { code: 'init_twice' }, durationMs: 0, codeBytes: 0 };
  }

  async writeSentinels(): Promise<void> {
    const { logs } = this.#parts;
    if (logs.sentinels) await writeSentinels(logs);
  }

  killAll(): void {
    this.#parts.pool.killAll();
    this.#processes.killAll();
    for (const log of this.#closingLogs) log.stopWaiting(undefined);
  }

  async stop(): Promise<void> {
    await this.#processes.stop();
    this.#parts.logs.stdout.close();
    this.#parts.logs.stderr.close();
    this.#parts.close();
  }

  /** An activation's way through a process, or out of the queue when its time is up. */
  async #exchange(
    request: PendingRequest,
    time: TimeLimit | undefined,
  ): Promise<{ end: RequestOutcome; timedOut: boolean }> {
    let timedOut = false;
    const end = new Promise<RequestOutcome>((resolve) => {
      request.settle = resolve;
    });
    this.#processes.submit(request);
    const hint = this.#hintLater(request);
    end.then(
      () => hint?.cancel(),
      () => {},
    );
    if (time === undefined) return { end: await end, timedOut };
    const timer = this.#parts.clock.setTimer(time.remaining(), () => {
      timedOut = true;
      this.#processes.cancel(request);
    });
    const ended = await end;
    timer.cancel();
    return { end: ended, timedOut };
  }

  /** Once an action has answered it knows how; a later answer may take its time. */
  #hintLater(request: PendingRequest): ClockTimer | undefined {
    if (this.onHint === undefined || this.#hasAnswered) return undefined;
    return this.#parts.clock.setTimer({ inMs: HINT_AFTER_MS }, () => {
      if (request.sentMs !== undefined && !this.#hasAnswered) this.onHint?.(HINT);
    });
  }

  async #judgeOutcome(end: RequestOutcome, timedOut: boolean): Promise<Verdict> {
    if (timedOut) return { failure: { code: 'run_timeout' } };
    switch (end.kind) {
      case 'answered':
        this.#hasAnswered = true;
        return this.#judgeLine(end.line);
      case 'too-long':
        return { failure: this.#tooLong(end.exceededBudget) };
      case 'exited':
        if (!this.#hasAnswered) this.#explain(this.#processes.image);
        return { failure: this.#exited(end.exit) };
      case 'not-started':
      case 'taken-back':
        if (!this.#hasAnswered) this.#explain(this.#processes.image);
        return {
          failure: { code: this.#parts.pool.killedAll ? 'run_shutdown_killed' : 'loop_not_restarted' },
        };
    }
  }

  /** Ends the activation's log, and answers once that is written, or its time is up, or a shutdown kills. */
  async #answer(
    time: TimeLimit | undefined,
    failure: AnswerFailure | undefined,
    answer: RunAnswer = { stats: { logBytes: 0, argumentBytes: 0 } },
  ): Promise<RunAnswer> {
    const { logs, clock, pool } = this.#parts;
    const log = new ActivationLog(logs, NO_OWNER, clock);
    if (pool.killedAll) log.stopWaiting(undefined);
    this.#closingLogs.add(log);
    await new Promise<void>((resolve) => {
      const limit = time && clock.setTimer(time.remaining(), () => log.stopWaiting(undefined));
      log.end(() => {
        limit?.cancel();
        resolve();
      });
    });
    this.#closingLogs.delete(log);
    const stats = { ...answer.stats, ...(log.isIncomplete && { logIncomplete: true as const }) };
    return { ...answer, ...(failure !== undefined && { failure }), stats };
  }

  /** What an init's failure is answered with; where OW_LOG_INIT_ERROR asks for it the reason is only logged. */
  async #reportInitFailure(failure: Failure): Promise<Failure> {
    const isCallers = failure.code.startsWith('loop_no_code') || failure.code.startsWith('loop_bad_');
    if (isCallers || !this.#parts.logsInitErrors) {
      await whenWritten(this.#parts.logs);
      return failure;
    }
    const isStart = failure.code === 'loop_start_failed';
    this.#log('stderr', `${isStart ? failure.detail : textOfFailure(failure)}\n`);
    await this.writeSentinels();
    return { code: isStart ? 'loop_start_logged' : 'loop_init_logged' };
  }

  #tooLong(exceededBudget: boolean): AnswerFailure {
    if (!exceededBudget) {
      const explanation = `the answer has more bytes than a result may have, ${this.#parts.maxResultBytes} (HYPERSKELETON_MAX_RESULT_BYTES)`;
      return { code: 'run_result_too_large', reason: 'too_large', explanation };
    }
    return { code: 'run_result_no_memory', detail: String(this.#parts.budget.limitBytes) };
  }

  /** The line itself is the answer, with its line feed (C-AL-14). */
  async #judgeLine(line: Buffer): Promise<Verdict> {
    if (line.length > LARGE_BODY_BYTES) {
      const judged = await this.#parts.pool.judgeResult(new Uint8Array(line), true);
      return judged.result === undefined ? this.#invalid(line) : judged;
    }
    const result = parseResult(withoutFinalLineBreak(line));
    if (result === undefined) return this.#invalid(line);
    return { result: line, ...(isActionError(result) && { actionError: true }) };
  }

  /** Why an action does not run, where its file shows that. */
  #explain(image: ActionLoopImage | undefined): void {
    const { pool, scope } = this.#parts;
    if (image === undefined || pool.killedAll) return;
    const seen = scope(() => explainFile(image.exec));
    if (seen !== undefined) this.#log('stderr', `${seen}\n`);
  }

  #invalid(line: Buffer): Verdict {
    const answer = withoutFinalLineBreak(line);
    const advice = diagnoseLine(answer);
    if (advice !== undefined) this.#log('stderr', `${advice}\n`);
    const { reason, text } = explainLine(answer, false, 'the line on descriptor 3');
    return { failure: { code: 'run_invalid_result', reason, explanation: text } };
  }

  #exited(exit: ProcessExit | undefined): AnswerFailure {
    if (this.#parts.pool.killedAll) return { code: 'run_shutdown_killed' };
    const end = explainEnd(this.#processes.image?.exec ?? '', exit);
    return { code: 'loop_exited', ...(end && { reason: end.reason, explanation: end.text }) };
  }

  #logExtraLine(line: Buffer): void {
    const shown = line.subarray(0, MAX_LOGGED_BYTES).toString('utf8').trimEnd();
    this.#log(
      'stderr',
      `error: the action wrote a line that answers no request: ${shown}\n` +
        'error: its process was ended, for its next line could be taken for the answer to another request.\n',
    );
  }

  #removeLater({ folder }: ActionLoopImage): void {
    this.#processes
      .whenUnused(folder)
      .then(() => removeTree(folder, this.#parts.scope))
      .catch(() => {
        // What can't be removed harms nobody: the next init takes the next number.
      });
  }

  #log(stream: 'stdout' | 'stderr', text: string): void {
    this.#parts.logs[stream].writeOrDrop(NO_OWNER, Buffer.from(text));
  }
}
