import type { Admission } from '../admission/admission.js';
import { containerMemory } from '../metrics/container-memory.js';
import { cpuShortage } from '../metrics/cpu-shortage.js';
import type { Gauges, LoopGauges, PrewarmStats, SpanCounts, ThreadGauges } from '../metrics/gauges.js';
import { type LoopLag, lagCellsOf, worstLagSeconds } from '../metrics/loop-lag.js';
import { LoopUtilization } from '../metrics/loop-utilization.js';
import type { Startup } from '../metrics/startup.js';
import type { ByteBudget } from '../pool/byte-budget.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import { survivorCount } from '../process/leftovers.js';

/** What the gauges look at. */
export interface GaugeSources {
  readonly admission: Admission;
  readonly pool: WorkerPool;
  readonly budget: ByteBudget;
  readonly startup: Startup;
  readonly engine: () => string;
  readonly frontEnd: () => string;
  readonly version: string;
  readonly loop: () => LoopGauges | undefined;
  readonly prewarm: () => PrewarmStats | undefined;
  readonly spans: () => SpanCounts | undefined;
  readonly signals: () => ReadonlyMap<string, number>;
  readonly logRecordsDropped: () => number;
  /** Of the main thread. */
  readonly lag: LoopLag;
  /** Of the worker threads. */
  readonly lagMemory: SharedArrayBuffer;
}

/** How a server stands, for its metrics. */
export function serverGauges(sources: GaugeSources): Gauges {
  const {
    admission,
    budget,
    pool,
    startup,
    engine,
    frontEnd,
    version,
    loop,
    prewarm,
    spans,
    signals,
    logRecordsDropped,
  } = sources;
  const utilization = new LoopUtilization();
  let memory: ReturnType<typeof containerMemory> | null = null;
  let cpu: ReturnType<typeof cpuShortage> | undefined;
  return {
    inFlight: () => admission.inFlight,
    queued: () => admission.queued,
    limits: () => admission.limits,
    buffered: () => budget,
    workerThreads: () => pool.threads,
    threads: () => threadGauges(sources, utilization),
    engine,
    frontEnd,
    losses: () => pool.losses,
    version,
    survivors: survivorCount,
    loop,
    prewarm,
    spans,
    signals,
    logRecordsDropped,
    memory: () => {
      memory = memory === null ? containerMemory() : memory;
      return memory?.();
    },
    cpu: () => {
      cpu ??= cpuShortage();
      return cpu();
    },
    startup: () => startup.seconds,
  };
}

function threadGauges({ pool, lag, lagMemory }: GaugeSources, loops: LoopUtilization): ThreadGauges[] {
  const main = {
    thread: 'main',
    utilization: loops.ratioOf(performance),
    lagSeconds: worstLagSeconds(lag.cells),
  };
  const workers = pool.views.map(({ tasks, queued, worker }, index): ThreadGauges => {
    const thread = `worker-${index + 1}`;
    if (worker === undefined) return { thread, tasks, queued };
    const cells = lagCellsOf(lagMemory, worker.threadId);
    return {
      thread,
      tasks,
      queued,
      utilization: loops.ratioOf(worker.performance),
      ...(cells !== undefined && { lagSeconds: worstLagSeconds(cells) }),
    };
  });
  return [main, ...workers];
}
