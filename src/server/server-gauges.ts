import type { Admission } from '../admission/admission.js';
import type { EngineStats } from '../engines/forkserver/ipc/stats.js';
import { cpuPressure } from '../observability/metrics/cpu-pressure.js';
import { EventLoopUtilizations } from '../observability/metrics/event-loop-utilization.js';
import type { Gauges, PrewarmStats, ThreadGauges } from '../observability/metrics/gauges.js';
import type { Startup } from '../observability/metrics/startup.js';
import { leftoverCount } from '../os/leftover-processes.js';
import type { MemoryGroup } from '../os/memory-group.js';
import type { ByteBudget } from '../shared-memory/byte-budget.js';
import { type EventLoopLag, lagCellsOf, maxLagSeconds } from '../shared-memory/event-loop-lag.js';
import type { WorkerPool } from '../threads/worker-pool.js';

/** What the gauges look at. */
interface GaugeSources {
  readonly admission: Admission;
  readonly pool: WorkerPool;
  readonly budget: ByteBudget;
  readonly startup: Startup;
  readonly memoryGroup: MemoryGroup | undefined;
  /** Of the main thread. */
  readonly lag: EventLoopLag;
  /** Of the worker threads. */
  readonly lagMemory: SharedArrayBuffer;
}

/**
 * How a server stands, for its metrics.
 *
 * @param further the gauges of parts that are not among the sources
 */
export function serverGauges(
  sources: GaugeSources,
  further: Pick<
    Gauges,
    'engine' | 'frontEnd' | 'version' | 'actionLoop' | 'prewarm' | 'spans' | 'signals' | 'logRecordsDropped'
  >,
): Gauges {
  const { admission, budget, memoryGroup, pool, startup } = sources;
  const utilization = new EventLoopUtilizations();
  return {
    ...further,
    inFlight: () => admission.inFlight,
    queued: () => admission.queued,
    limits: () => admission.limits,
    buffered: () => budget,
    workerThreads: () => pool.threads,
    threads: () => threadGauges(sources, utilization),
    losses: () => pool.losses,
    leftovers: leftoverCount,
    memory: () => memoryGroup,
    cpu: lazy(cpuPressure),
    startup: () => startup.seconds,
  };
}

/** A reader that is made when it is first asked: at the start nobody waits for it. */
function lazy<Value>(make: () => () => Value): () => Value {
  let read: (() => Value) | undefined;
  return () => {
    read ??= make();
    return read();
  };
}

function threadGauges({ pool, lag, lagMemory }: GaugeSources, loops: EventLoopUtilizations): ThreadGauges[] {
  const main = {
    thread: 'main',
    utilization: loops.ratioOf(performance),
    lagSeconds: maxLagSeconds(lag.cells),
  };
  const workers = pool.threadStatuses.map(({ tasks, queued, worker }, index): ThreadGauges => {
    const thread = `worker-${index + 1}`;
    if (worker === undefined) return { thread, tasks, queued };
    const cells = lagCellsOf(lagMemory, worker.threadId);
    return {
      thread,
      tasks,
      queued,
      utilization: loops.ratioOf(worker.performance),
      ...(cells !== undefined && { lagSeconds: maxLagSeconds(cells) }),
    };
  });
  return [main, ...workers];
}

/** How the fork server's prewarmed clones and templates do, of all threads together. */
export function prewarmStats({ counters, refills, refusals }: EngineStats): PrewarmStats {
  return {
    ready: counters.sparesWaiting,
    hits: counters.spareHits,
    misses: counters.spareMisses,
    discarded: counters.sparesDiscarded,
    refillSeconds: refills,
    templates: {
      built: counters.templatesBuilt,
      failed: counters.templatesFailed,
      died: counters.templatesDied,
      renewed: counters.templatesRenewed,
      given_up: counters.templatesGivenUp,
    },
    buildSeconds: counters.buildMsTotal / 1000,
    waitingTemplates: counters.waitingTemplates,
    waitingTemplateBytes: counters.waitingTemplateBytes,
    refusals,
  };
}
