import type { ActionState } from '../action/state.js';
import type { Admission } from '../admission/admission.js';
import type { ConnectionLimit } from '../admission/connection-limit.js';
import type { MemoryAdmission } from '../admission/memory-admission.js';
import type { Config } from '../config/load.js';
import type { Executor } from '../executor/executor.js';
import type { RunBodyReader } from '../executor/time-limit.js';
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

/** What a server is put together from. */
interface ServerParts {
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
  readonly bodyReader: RunBodyReader | undefined;
}

/** What the routes share: the parts of the server, and whether it still takes work. */
export interface ServerContext extends ServerParts {
  /** The answers that activations and inits wait for. */
  readonly pending: PendingAnswers;
  /** Inits, large answers and what else is under way beside the activations, which the admission counts. */
  readonly work: WorkInProgress;
  /** Where every leftover is killed (C-RUN-25). */
  readonly leftovers: LeftoverSweeper | undefined;
  /** Set by the first SIGTERM: requests from now on are refused (C-SRV-11). */
  draining: boolean;
  /** Whether a worker serves. */
  ready: boolean;
}

export function createServerContext(parts: ServerParts): ServerContext {
  const { config, metrics } = parts;
  const leftoversKilled = (count: number): void => {
    if (metrics !== undefined) metrics.leftoversKilled += count;
  };
  return {
    ...parts,
    pending: new PendingAnswers(),
    work: new WorkInProgress(),
    leftovers: config.leftovers === 'all' ? new LeftoverSweeper(leftoversKilled) : undefined,
    draining: false,
    ready: false,
  };
}

/** Counts what is under way. */
class WorkInProgress {
  #count = 0;
  #idle: (() => void) | undefined;

  begin(): void {
    this.#count++;
  }

  end(): void {
    if (--this.#count === 0) this.#idle?.();
  }

  /** Resolves when nothing is under way; undefined if nothing is. */
  whenIdle(): Promise<void> | undefined {
    if (this.#count === 0) return undefined;
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }
}

/** Resolves when every request that was taken is answered. */
export async function whenIdle({ admission, work }: ServerContext): Promise<void> {
  for (;;) {
    await admission.whenIdle();
    const idle = work.whenIdle();
    if (idle === undefined) return;
    await idle;
  }
}

/** Counts and logs a request that is refused before anything is done for it. */
export function recordRefusal({ metrics, log }: ServerContext, code: ErrorCode, requestId?: string): void {
  metrics?.countRefusal(code);
  log.logRefusal(code, requestId);
}

/** Counts and logs a request whose connection has ended before it was answered. */
export function recordAborted(
  { metrics, log }: ServerContext,
  during: AbortStage,
  fields: { readonly receivedBytes?: number; readonly sentBytes?: number; readonly ms: number },
  requestId?: string,
): void {
  metrics?.countAborted(during);
  log.logAborted(during, fields, requestId);
}

/** Counts and logs a request that matched no route. */
export function recordUnmatched({ metrics, log }: ServerContext, code: ErrorCode, requestId?: string): void {
  metrics?.countFailure(code);
  log.logRefusal(code, requestId);
}

/** Writes the sentinels that a lost worker could not write; a failure is only logged. */
export async function writeMissingSentinels(context: ServerContext): Promise<void> {
  const { clock, executor, log, pending } = context;
  try {
    const limit: SetLimit = (passed) => clock.setTimer({ inMs: MAX_SENTINEL_WAIT_MS }, passed);
    await pending.wait(executor.writeSentinels(), () => {}, limit);
  } catch (error) {
    log.logFault('sentinels could not be written', error);
  }
}
