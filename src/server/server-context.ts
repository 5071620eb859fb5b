import type { ActionState } from '../action/state.js';
import type { Admission } from '../admission/admission.js';
import type { ConnectionLimit } from '../admission/connection-limit.js';
import type { MemoryAdmission } from '../admission/memory-admission.js';
import type { Config } from '../config/load.js';
import type { Executor } from '../executor/executor.js';
import type { DeadlineReader } from '../executor/time-limit.js';
import type { ServerLog } from '../logging/server-log/server-log.js';
import type { AbortStage } from '../observability/metrics/labels.js';
import type { Recorder } from '../observability/metrics/recorder.js';
import type { Tracing } from '../observability/tracing/tracing.js';
import type { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { LeftoverSweeper } from '../os/leftover-sweeper.js';
import type { ErrorCode } from '../protocol/errors.js';
import type { ByteBudget } from '../shared-memory/byte-budget.js';
import type { EventLoopLag } from '../shared-memory/event-loop-lag.js';
import type { WorkerPool } from '../threads/worker-pool.js';
import { PendingAnswers, type SetLimit } from './pending-answers.js';

/** So long an answer waits until the sentinels of a lost activation are written. */
const MAX_SENTINEL_WAIT_MS = 1000;

/** The parts of a server. */
interface ServerContextParts {
  readonly config: Config;
  readonly action: ActionState;
  readonly admission: Admission;
  /** Undefined where the container has no limit on memory, or it does not count. */
  readonly memory: MemoryAdmission | undefined;
  /** Of all ports together. */
  readonly connections: ConnectionLimit;
  readonly pool: WorkerPool;
  readonly executor: Executor;
  /** Undefined where nothing is to be counted. */
  readonly metrics: Recorder | undefined;
  /** How late the main thread's event loop is; undefined as above. */
  readonly lag: EventLoopLag | undefined;
  /** Undefined where nothing is to be traced. */
  readonly tracing: Tracing | undefined;
  readonly log: ServerLog;
  readonly clock: FreezeAwareClock;
  /** Of the bytes that requests and results take. */
  readonly budget: ByteBudget;
  /** The largest body of a request. */
  readonly maxBodyBytes: number;
  /** Undefined where the platform's deadline does not count. */
  readonly parseDeadline: DeadlineReader | undefined;
}

/** What the routes share: the parts of the server, and whether it still takes work. */
export class ServerContext implements ServerContextParts {
  readonly config: Config;
  readonly action: ActionState;
  readonly admission: Admission;
  readonly memory: MemoryAdmission | undefined;
  readonly connections: ConnectionLimit;
  readonly pool: WorkerPool;
  readonly executor: Executor;
  readonly metrics: Recorder | undefined;
  readonly lag: EventLoopLag | undefined;
  readonly tracing: Tracing | undefined;
  readonly log: ServerLog;
  readonly parseDeadline: DeadlineReader | undefined;
  readonly clock: FreezeAwareClock;
  readonly budget: ByteBudget;
  readonly maxBodyBytes: number;
  /** The answers that activations and inits wait for. */
  readonly pending = new PendingAnswers();
  /** Set by the first SIGTERM: requests from now on are refused (C-SRV-11). */
  draining = false;
  /** Whether a worker serves. */
  ready = false;
  /** Where every leftover is killed (C-RUN-25). */
  readonly leftovers: LeftoverSweeper | undefined;
  /** Inits and large answers under way; activations are counted by the admission. */
  #inits = 0;
  #initsIdle: (() => void) | undefined;

  constructor(parts: ServerContextParts) {
    const { config, metrics } = parts;
    this.config = config;
    this.action = parts.action;
    this.admission = parts.admission;
    this.memory = parts.memory;
    this.connections = parts.connections;
    this.pool = parts.pool;
    this.executor = parts.executor;
    this.metrics = metrics;
    this.lag = parts.lag;
    this.tracing = parts.tracing;
    this.log = parts.log;
    this.clock = parts.clock;
    this.budget = parts.budget;
    this.maxBodyBytes = parts.maxBodyBytes;
    this.parseDeadline = parts.parseDeadline;
    if (config.leftovers === 'all') {
      this.leftovers = new LeftoverSweeper((count) => {
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
  recordRefusal(code: ErrorCode, requestId?: string): void {
    this.metrics?.countRefusal(code);
    this.log.logRefusal(code, requestId);
  }

  /** The connection of a request has ended before the request was answered: counted and logged. */
  recordAborted(
    during: AbortStage,
    fields: { readonly receivedBytes?: number; readonly sentBytes?: number; readonly ms: number },
    requestId?: string,
  ): void {
    this.metrics?.countAborted(during);
    this.log.logAborted(during, fields, requestId);
  }

  /** A request matched no route: counted and logged. */
  recordUnmatched(code: ErrorCode, requestId?: string): void {
    this.metrics?.countFailure(code);
    this.log.logRefusal(code, requestId);
  }

  /** Writes the sentinels that a lost worker could not write; a failure is only logged. */
  async writeMissingSentinels(): Promise<void> {
    try {
      const limit: SetLimit = (passed) => this.clock.setTimer({ inMs: MAX_SENTINEL_WAIT_MS }, passed);
      await this.pending.wait(this.executor.writeSentinels(), () => {}, limit);
    } catch (error) {
      this.log.logFault('sentinels could not be written', error);
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
