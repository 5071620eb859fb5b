import { availableParallelism, totalmem } from 'node:os';
import { threadId } from 'node:worker_threads';
import { ensureActionRoot, ensureDefaultAction } from '../action/default-action.js';
import { ActionState } from '../action/state.js';
import { Admission } from '../admission/admission.js';
import { ConnectionLimit } from '../admission/connection-limit.js';
import { cpuSaturation } from '../admission/cpu-saturation.js';
import { connectionsThatFit, ownLimits, systemLimits } from '../admission/default-limit.js';
import { LoadShedder } from '../admission/load-shedder.js';
import { MemoryAdmission } from '../admission/memory-admission.js';
import type { Config } from '../config/load.js';
import { describeUnknown, unknownVariables } from '../config/unknown-variables.js';
import { version } from '../config/version.js';
import { MainThreadExecutor } from '../executor/main-thread.js';
import { loadRunBodyReader } from '../executor/time-limit.js';
import { type ListenAddress, urlOf } from '../http/listener.js';
import { loadFrontEnd } from '../http/load-front-end.js';
import { ServerLog } from '../logging/server-log/server-log.js';
import { Recorder } from '../observability/metrics/recorder.js';
import { Startup } from '../observability/metrics/startup.js';
import { openTracing } from '../observability/tracing/tracing.js';
import { threadsThatFit } from '../os/address-space.js';
import { fileScopeOf } from '../os/file-scope.js';
import { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { MemoryGroup, memoryLimitBytes } from '../os/memory-group.js';
import { raisePriority } from '../os/nice.js';
import { oomScoreGap } from '../os/oom-score.js';
import { startOrphanReaper } from '../os/orphan-reaper.js';
import { ServerSignals } from '../os/server-signals.js';
import { ByteBudget } from '../shared-memory/byte-budget.js';
import { EventLoopLag, LAG_TABLE } from '../shared-memory/event-loop-lag.js';
import { WorkerPool } from '../threads/worker-pool.js';
import { actionRootFor } from './action-root.js';
import { createExecutor } from './create-executor.js';
import { HttpServer } from './http-server.js';
import { watchSelfTest } from './self-test-watch.js';
import { createServerContext } from './server-context.js';
import { prewarmStats, serverGauges } from './server-gauges.js';
import { serveSignals } from './signals.js';
import { type LogTargets, rightsOf, workerSettings } from './worker-settings.js';

/** In a container the streams belong to the action. */
const CONTAINER_LOGS: LogTargets = { logs: [1, 2], sentinels: true };
/** What begins with a request has begun by then. */
const PRELOAD_AFTER_MS = 200;
/** A cold start is over by then. */
const WARM_UP_AFTER_MS = 1000;

/** A server that serves. */
export interface RunningServer {
  readonly addresses: readonly ListenAddress[];
  readonly actionRoot: string;
  /** What starts processes. */
  readonly engine: string;
  /** What speaks HTTP. */
  readonly http: string;
  /** Why that is the slower one; empty if it is not. */
  readonly httpFallbackReason: string;
}

/**
 * Starts a server that runs until a signal ends it. This is where its parts are put together, each after those that it
 * needs.
 *
 * @throws Error with a message for the operator if it can't start
 */
export async function startServer(config: Config): Promise<RunningServer> {
  const signals = new ServerSignals();
  const startup = new Startup();
  startup.endPhase('node');
  if (!['openwhisk', 'knative'].includes(config.platform)) {
    process.stderr.write(
      `Invalid __OW_RUNTIME_PLATFORM ${config.platform}! Valid Platforms are openwhisk and knative. Defaulting to openwhisk.\n`,
    );
  }
  const maxThreads = threadsThatFit(config.threads);
  const rights = rightsOf(config);
  const scope = await fileScopeOf(rights?.user);
  const actionRoot = actionRootFor(config.actionRoot, scope);
  const memoryGroup = MemoryGroup.find();
  const memoryBytes = memoryLimitBytes(memoryGroup);
  const settings = {
    ...workerSettings(config, actionRoot, CONTAINER_LOGS, rights, memoryBytes),
    priority: raisePriority(),
  };
  // First, for the start of its thread takes longer than that of everything on this one.
  const pool = new WorkerPool(settings);
  try {
    ensureActionRoot(actionRoot, rights?.user);
    if (config.protocol === 'classic') ensureDefaultAction(actionRoot, scope);
    else (await import('../action/actionloop/recover.js')).ensureActionLoopRoot(actionRoot, scope);

    const clock = new FreezeAwareClock();
    const budget = new ByteBudget(settings.shared.budget);
    const action = new ActionState(config.allowReinit, () => pool.generation);
    const processLimits = ownLimits();
    const limits = systemLimits(processLimits);
    const maxInFlight = config.maxInFlight ?? limits.inFlight;
    const shedder = config.loadShedding
      ? new LoadShedder(availableParallelism(), cpuSaturation(), performance.now())
      : undefined;
    const admission = new Admission(maxInFlight, config.maxQueued ?? limits.queued, shedder);
    const memory =
      config.memoryAdmission && memoryGroup !== undefined && memoryBytes < totalmem()
        ? new MemoryAdmission(memoryGroup, memoryBytes, admission)
        : undefined;
    const isAlone = (): boolean => admission.inFlight === 1 && admission.queued === 0;
    const direct = runsDirectly(config) ? new MainThreadExecutor(settings, pool, clock, isAlone) : undefined;
    startup.endPhase('prepare');

    const log = await ServerLog.open(config);
    for (const unknown of unknownVariables(process.env)) log.warn(describeUnknown(unknown), unknown);
    // Loaded while the first worker starts on another core: the two take about as long.
    const [{ frontEnd, fallbackReason: httpFallbackReason }, executor, tracing] = await Promise.all([
      loadFrontEnd(config.http, config),
      createExecutor(settings, pool, action, clock, direct),
      openTracing(
        {
          ...{ base: config.otlpEndpoint, traces: config.otlpTracesEndpoint },
          otelVariables: config.tracing === 'otel',
        },
        version(),
        log,
      ),
    ]);
    startup.endPhase('load');
    executor.onHint = (text) => log.warn(text, {});

    let engine = 'starting';
    const { eventLoopLag: lagMemory } = settings.shared;
    const lag = lagMemory && new EventLoopLag(LAG_TABLE.slot(LAG_TABLE.create(1), 0), threadId);
    const recorder =
      lag &&
      new Recorder(
        serverGauges(
          { admission, budget, pool, startup, lag, lagMemory, memoryGroup },
          {
            engine: () => engine,
            frontEnd: () => frontEnd.name,
            version: () => settings.version,
            spans: () => tracing?.counts,
            actionLoop: () => executor.gauges,
            prewarm: () => (engine === 'forkserver' ? prewarmStats(pool.engineStats) : undefined),
            signals: () => signals.counts,
            logRecordsDropped: () => log.dropped,
          },
        ),
      );
    pool.observe({
      workerLost: (threadId, killed) => {
        if (recorder !== undefined) recorder.workersLost++;
        direct?.workerLost();
        log.warn('worker thread lost', { threadId, killed });
      },
      workerNotStarted: (error) => {
        if (recorder !== undefined) recorder.workersNotStarted++;
        log.warn('a worker thread could not be started', { reason: String(error) });
      },
    });
    const connections = new ConnectionLimit(connectionsThatFit(processLimits, maxInFlight), {
      count: () => {
        if (recorder !== undefined) recorder.connectionsRefused++;
      },
      log: (refused, open) => log.warn('connections refused: too many are open', { refused, open }),
    });

    const context = createServerContext({
      config,
      action,
      admission,
      memory,
      connections,
      pool,
      executor,
      metrics: recorder,
      lag,
      tracing,
      log,
      clock,
      budget,
      maxBodyBytes: settings.maxBodyBytes,
      bodyReader: await loadRunBodyReader(config),
    });
    const server = new HttpServer(context, frontEnd);
    const addresses = await server.listen();
    startup.endPhase('listen');
    serveSignals(signals, context, server);
    process.on('uncaughtException', (error) => log.logFault('an error that nobody caught', error));

    const hello = await pool.hello();
    engine = hello.engine;
    startup.endPhase('worker');
    watchSelfTest(pool, {
      failed: (reason) => {
        engine = 'posix_spawn';
        log.warn('a slower engine is in use', { engine, fallbackReason: `forkserver: ${reason}` });
      },
      passedAfterAll: () => {
        engine = 'forkserver';
        log.info('the faster engine is in use again', { engine });
      },
    });
    context.ready = true;
    pool.allowThreads(maxThreads);
    // Who gives the metrics a port has them scraped.
    if (config.metricsPort !== undefined && recorder !== undefined) warmUpLater(recorder, log);
    // A container that is started ahead of its action waits for its init: there is time for it.
    setTimeout(() => pool.preload(), PRELOAD_AFTER_MS).unref();
    await startOrphanReaper();

    const { fallbackReason, inspectable } = hello;
    if (fallbackReason !== '') log.warn('a slower engine is in use', { engine, fallbackReason });
    if (httpFallbackReason !== '') {
      log.warn('a slower HTTP front end is in use', {
        http: frontEnd.name,
        fallbackReason: httpFallbackReason,
      });
    }
    if (inspectable !== '')
      log.warn('actions of the same user can read the memory of the server', { inspectable });
    const preference = oomScoreGap();
    if (preference !== undefined && preference.gap < preference.intended) {
      log.warn('where memory is short the kernel may end the server before its actions', preference);
    }
    if (maxThreads < config.threads)
      log.warn('fewer threads, for the limit of the address space', { threads: maxThreads });
    log.info('serving', {
      ...{ port: addresses[0]?.port, engine, http: frontEnd.name, actionRoot, threads: maxThreads },
      ...{ protocol: config.protocol, urls: addresses.map(urlOf) },
    });
    return { addresses, actionRoot, engine, http: frontEnd.name, httpFallbackReason };
  } catch (error) {
    // Ending the process under a thread that lives, or loads a native library, can crash it.
    await pool.close();
    throw error;
  }
}

/** Only the fork server is fast enough for the main thread. */
function runsDirectly({ direct, engine, protocol, platform }: Config): boolean {
  return (
    direct && protocol === 'classic' && platform !== 'knative' && ['auto', 'forkserver'].includes(engine)
  );
}

function warmUpLater(recorder: Recorder, log: ServerLog): void {
  setTimeout(() => {
    recorder.warmUp().catch((error: unknown) => log.logFault('the metrics could not be prepared', error));
  }, WARM_UP_AFTER_MS).unref();
}
