import type { ActionState } from '../action/state.js';
import type { Admission } from '../admission/admission.js';
import type { ConnectionLimit } from '../admission/connection-limit.js';
import type { Config } from '../config/load.js';
import type { ErrorCode } from '../errors/table.js';
import type { ServerLog } from '../logs/server-log.js';
import type { LoopLag } from '../metrics/loop-lag.js';
import type { AbortStage, Recorder } from '../metrics/recorder.js';
import type { ByteBudget } from '../pool/byte-budget.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { Tracing } from '../tracing/tracing.js';
import { LeftoverSweep } from './leftover-sweep.js';
import { PendingAnswers, type SetLimit } from './pending-answers.js';
import type { Runner } from './runner.js';
import type { DeadlineReader } from './time-limit.js';

/** So long an answer waits until the sentinels of a lost activation are written. */
const MAX_SENTINEL_WAIT_MS = 1000;

/** The parts of a server. */
export interface ServiceParts {
  readonly config: Config;
  readonly action: ActionState;
  readonly admission: Admission;
  /** Of all ports together. */
  readonly connections: ConnectionLimit;
  readonly pool: WorkerPool;
  readonly runner: Runner;
  /** Undefined where nothing is to be counted. */
  readonly metrics: Recorder | undefined;
  /** How late the main thread's event loop is; undefined as above. */
  readonly lag: LoopLag | undefined;
  /** Undefined where nothing is to be traced. */
  readonly tracing: Tracing | undefined;
  readonly log: ServerLog;
  readonly clock: AwakeClock;
  /** Of the bytes that requests and results take. */
  readonly budget: ByteBudget;
  /** The largest body of a request. */
  readonly maxBodyBytes: number;
  /** Undefined where the platform's deadline does not count. */
  readonly deadlineIn: DeadlineReader | undefined;
}

/** What the routes share: the parts of the server, and whether it still takes work. */
export class Service implements ServiceParts {
  readonly config: Config;
  readonly action: ActionState;
  readonly admission: Admission;
  readonly connections: ConnectionLimit;
  readonly pool: WorkerPool;
  readonly runner: Runner;
  readonly metrics: Recorder | undefined;
  readonly lag: LoopLag | undefined;
  readonly tracing: Tracing | undefined;
  readonly log: ServerLog;
  readonly deadlineIn: DeadlineReader | undefined;
  readonly clock: AwakeClock;
  readonly budget: ByteBudget;
  readonly maxBodyBytes: number;
  /** The answers that activations and inits wait for. */
  readonly pending = new PendingAnswers();
  /** Set by the first SIGTERM: requests from now on are refused (D-16). */
  draining = false;
  /** Whether a worker serves. */
  ready = false;
  /** Where every leftover is killed (D-02). */
  readonly leftovers: LeftoverSweep | undefined;
  /** Inits and large answers under way; activations are counted by the admission. */
  #inits = 0;
  #initsIdle: (() => void) | undefined;

  constructor(parts: ServiceParts) {
    const { config, metrics } = parts;
    this.config = config;
    this.action = parts.action;
    this.admission = parts.admission;
    this.connections = parts.connections;
    this.pool = parts.pool;
    this.runner = parts.runner;
    this.metrics = metrics;
    this.lag = parts.lag;
    this.tracing = parts.tracing;
    this.log = parts.log;
    this.clock = parts.clock;
    this.budget = parts.budget;
    this.maxBodyBytes = parts.maxBodyBytes;
    this.deadlineIn = parts.deadlineIn;
    if (config.leftovers === 'all') {
      this.leftovers = new LeftoverSweep((count) => {
        if (metrics !== undefined) metrics.leftoversKilled += count;
      });
    }
  }

  /** An init begins, or a large answer is begun to be sent. */
  begin(): void {
    this.#inits++;
  }

  /** It is over. */
  end(): void {
    if (--this.#inits === 0) this.#initsIdle?.();
  }

  /** A request is refused before anything is done for it: counted and logged. */
  refused(code: ErrorCode, requestId?: string): void {
    this.metrics?.countRefusal(code);
    this.log.refused(code, requestId);
  }

  /** The connection of a request has ended before the request was answered: counted and logged. */
  aborted(
    during: AbortStage,
    facts: { readonly receivedBytes?: number; readonly sentBytes?: number; readonly ms: number },
    requestId?: string,
  ): void {
    this.metrics?.countAborted(during);
    this.log.aborted(during, facts, requestId);
  }

  /** A request is for nothing that the server has: counted and logged. */
  strayed(code: ErrorCode, requestId?: string): void {
    this.metrics?.countFailure(code);
    this.log.refused(code, requestId);
  }

  /** Has the sentinels written that a lost worker could not write; a failure of that is logged only. */
  async oweSentinels(): Promise<void> {
    try {
      const limit: SetLimit = (passed) => this.clock.alarm({ inMs: MAX_SENTINEL_WAIT_MS }, passed);
      await this.pending.of(this.runner.writeSentinels(), () => {}, limit);
    } catch (error) {
      this.log.fault('sentinels could not be written', error);
    }
  }

  /** Resolves when every request that was taken is answered. */
  async whenIdle(): Promise<void> {
    await this.admission.whenIdle();
    if (this.#inits > 0) {
      await new Promise<void>((resolve) => {
        this.#initsIdle = resolve;
      });
      await this.whenIdle();
    }
  }
}
