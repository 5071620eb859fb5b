import { diagnoseLine, explainEnd } from '../../action/diagnose-result.js';
import { ActivationLog } from '../../activation/activation-log.js';
import { NO_OWNER } from '../../logging/action-log/log-stream.js';
import type { ActionLoopGauges } from '../../observability/metrics/gauges.js';
import { removeTree } from '../../os/file-scope.js';
import type { ClockTimer, FreezeAwareClock } from '../../os/freeze-aware-clock.js';
import { encodeRequestLine } from '../../protocol/actionloop/request-line.js';
import type { AnswerFailure, InitAnswer, ProcessExit, RunAnswer } from '../../protocol/answer.js';
import { explainLine } from '../../protocol/invalid-result.js';
import {
  isActionError,
  parseResult,
  type ResultVerdict,
  withoutFinalLineBreak,
} from '../../protocol/result.js';
import type { ByteBudget } from '../../shared-memory/byte-budget.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { Executor, RunRequest } from '../executor.js';
import type { TimeLimit } from '../time-limit.js';
import type { ActionLoopLauncher } from './channel.js';
import { ActionLoopInit, type ActionLoopInitParts } from './init.js';
import type { PendingRequest, RequestOutcome } from './pending-requests.js';
import { ActionLoopPool } from './process-pool.js';

/** What the protocol is set up with. */
interface ActionLoopExecutorParts extends ActionLoopInitParts {
  readonly launch: ActionLoopLauncher;
  /** Called when no process is left. */
  readonly close: () => void;
  readonly clock: FreezeAwareClock;
  /** Of the bytes that long answers take. */
  readonly budget: ByteBudget;
  /** OW_WAIT_FOR_ACK: whether a process acknowledges its start (C-AL-10). */
  readonly waitForAcknowledgement: boolean;
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
  readonly #init: ActionLoopInit;
  readonly #processes: ActionLoopPool;
  /** The logs of activations that are over and wait for theirs to be written. */
  readonly #closingLogs = new Set<ActivationLog>();
  /** Whether a process of the action has ever answered. */
  #hasAnswered = false;

  constructor(parts: ActionLoopExecutorParts) {
    const { budget, clock, config, waitForAcknowledgement } = parts;
    this.#parts = parts;
    this.#init = new ActionLoopInit(parts);
    const limits = {
      processes: config.actionloopProcesses,
      pipeline: config.actionloopPipeline,
      checkEvery: config.actionloopCheckEvery,
      idleMs: config.actionloopIdleMs,
      initTimeoutMs: config.initTimeoutMs,
      maxResultBytes: config.maxResultBytes,
      graceMs: config.timeoutGraceMs,
      budget,
      clock,
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

  init(body: Uint8Array): Promise<InitAnswer> {
    const before = this.#processes.image;
    return this.#init.init(
      body,
      (image, initLeftMs) => this.#processes.replace(image, initLeftMs),
      (unused, isStarted) => {
        if (isStarted) this.#hasAnswered = false;
        const removed = isStarted ? before : unused;
        if (removed !== undefined) this.#removeLater(removed);
      },
    );
  }

  refuseInit(): Promise<InitAnswer> {
    return this.#init.refuse();
  }

  writeSentinels(): Promise<void> {
    return this.#init.writeSentinels();
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
        if (!this.#hasAnswered) this.#init.explain(this.#processes.image);
        return { failure: this.#exited(end.exit) };
      case 'not-started':
      case 'taken-back':
        if (!this.#hasAnswered) this.#init.explain(this.#processes.image);
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

  #tooLong(exceededBudget: boolean): AnswerFailure {
    if (!exceededBudget) {
      const explanation = `the answer has more bytes than a result may have, ${this.#parts.config.maxResultBytes} (HYPERSKELETON_MAX_RESULT_BYTES)`;
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

  #invalid(line: Buffer): Verdict {
    const answer = withoutFinalLineBreak(line);
    const advice = diagnoseLine(answer);
    if (advice !== undefined) this.#init.log('stderr', `${advice}\n`);
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
    this.#init.log(
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
}
