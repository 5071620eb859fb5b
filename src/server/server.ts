import { availableParallelism } from 'node:os';
import { threadId } from 'node:worker_threads';
import { ActionState } from '../action/state.js';
import { ensureAction, ensureActionRoot } from '../action/stub.js';
import { Admission } from '../admission/admission.js';
import { ConnectionLimit } from '../admission/connection-limit.js';
import { cpuSaturation } from '../admission/cpu-saturation.js';
import { connectionsThatFit, ownLimits, systemLimits } from '../admission/default-limit.js';
import { LoadShedder } from '../admission/load-shedder.js';
import { actionRootFor } from '../cli/action-root.js';
import { type LogTargets, rightsOf, workerSettings } from '../cli/worker-settings.js';
import type { Config } from '../config/load.js';
import { version } from '../config/version.js';
import { DirectLane } from '../direct/direct-lane.js';
import { loadFrontEnd } from '../http/front-end.js';
import { type ListenAddress, urlOf } from '../http/listener.js';
import { ServerLog } from '../logs/server-log.js';
import { createLagMemory, LoopLag, lagCells } from '../metrics/loop-lag.js';
import { prewarmStats } from '../metrics/prewarm-stats.js';
import { Recorder } from '../metrics/recorder.js';
import { Startup } from '../metrics/startup.js';
import { ByteBudget } from '../pool/byte-budget.js';
import { WorkerPool } from '../pool/worker-pool.js';
import { fileScopeOf } from '../process/acting-as.js';
import { threadsThatFit } from '../process/address-space.js';
import { AwakeClock } from '../process/awake-clock.js';
import { oomPreference } from '../process/oom-preference.js';
import { reapOrphans } from '../process/orphans.js';
import { takePrecedence } from '../process/precedence.js';
import { ServerSignals } from '../signals/server-signals.js';
import { openTracing } from '../tracing/tracing.js';
import { createRunner } from './create-runner.js';
import { HttpServer } from './http-server.js';
import { watchSelfTest } from './self-test-watch.js';
import { serverGauges } from './server-gauges.js';
import { Service } from './service.js';
import { serveSignals } from './signals.js';
import { loadDeadlineReader } from './time-limit.js';

/** In a container the streams belong to the action. */
const CONTAINER_LOGS: LogTargets = { logs: [1, 2], sentinels: true };
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
  startup.ends('node');
  if (config.unknownPlatform !== undefined) {
    process.stderr.write(
      `Invalid __OW_RUNTIME_PLATFORM ${config.unknownPlatform}! Valid Platforms are openwhisk and knative. Defaulting to openwhisk.\n`,
    );
  }
  const maxThreads = threadsThatFit(config.threads);
  const rights = rightsOf(config);
  const scope = await fileScopeOf(rights?.user);
  const actionRoot = actionRootFor(config.actionRoot, scope);
  const settings = {
    ...workerSettings(config, actionRoot, CONTAINER_LOGS, rights),
    priority: takePrecedence(),
  };
  // First, for the start of its thread takes longer than that of everything on this one.
  const pool = new WorkerPool(settings);
  try {
    ensureActionRoot(actionRoot, rights?.user);
    if (config.protocol === 'classic') ensureAction(actionRoot, scope);
    else (await import('../actionloop/recover.js')).ensureLoopRoot(actionRoot, scope);

    const clock = new AwakeClock();
    const budget = new ByteBudget(settings.shared.budget);
    const action = new ActionState(config.allowReinit, () => pool.generation);
    const limits = systemLimits();
    const maxInFlight = config.maxInFlight ?? limits.inFlight;
    const shedder = config.loadShedding
      ? new LoadShedder(availableParallelism(), cpuSaturation(), performance.now())
      : undefined;
    const admission = new Admission(maxInFlight, config.maxQueued ?? limits.queued, shedder);
    const isAlone = (): boolean => admission.inFlight === 1 && admission.queued === 0;
    const direct = runsDirectly(config) ? new DirectLane(settings, pool, clock, isAlone) : undefined;
    startup.ends('prepare');

    const log = await ServerLog.open(config);
    // Loaded while the first worker starts on another core: the two take about as long.
    const [{ frontEnd, fallbackReason: httpFallbackReason }, runner, tracing] = await Promise.all([
      loadFrontEnd(config.http, config),
      createRunner(config, settings, pool, action, clock, direct),
      openTracing(
        {
          ...{ base: config.otlpEndpoint, traces: config.otlpTracesEndpoint },
          otelVariables: config.otelVariables,
        },
        version(),
        log,
      ),
    ]);
    startup.ends('load');

    let engine = 'starting';
    const { lag: lagMemory } = settings.shared;
    const lag = lagMemory && new LoopLag(lagCells(createLagMemory(1), 0), threadId);
    const recorder =
      lag &&
      new Recorder(
        serverGauges({
          ...{ admission, budget, pool, startup, lag, lagMemory },
          engine: () => engine,
          frontEnd: () => frontEnd.name,
          version: settings.version,
          spans: () => tracing?.counts,
          loop: () => runner.gauges,
          prewarm: () => (engine === 'forkserver' ? prewarmStats(pool.engineStats) : undefined),
          signals: () => signals.counts,
          logRecordsDropped: () => log.dropped,
        }),
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
    const connections = new ConnectionLimit(connectionsThatFit(ownLimits(), maxInFlight), {
      count: () => {
        if (recorder !== undefined) recorder.connectionsRefused++;
      },
      log: (refused, open) => log.warn('connections refused: too many are open', { refused, open }),
    });
    const deadlineIn = await loadDeadlineReader(config);

    const service = new Service({
      ...{
        config,
        action,
        admission,
        connections,
        pool,
        runner,
        tracing,
        log,
        clock,
        budget,
        lag,
        deadlineIn,
      },
      maxBodyBytes: settings.maxBodyBytes,
      metrics: recorder,
    });
    const server = new HttpServer(service, frontEnd);
    const addresses = await server.listen();
    startup.ends('listen');
    serveSignals(signals, service, server);
    process.on('uncaughtException', (error) => log.fault('an error that nobody caught', error));

    const hello = await pool.hello();
    engine = hello.engine;
    startup.ends('worker');
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
    service.ready = true;
    pool.allow(maxThreads);
    // Who gives the metrics a port has them scraped.
    if (config.metricsPort !== undefined && recorder !== undefined) warmUpLater(recorder, log);
    await reapOrphans();

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
    const preference = oomPreference();
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
function runsDirectly({ direct, engine, protocol, knative }: Config): boolean {
  return direct && protocol === 'classic' && !knative && (engine === 'auto' || engine === 'forkserver');
}

function warmUpLater(recorder: Recorder, log: ServerLog): void {
  setTimeout(() => {
    recorder.warmUp().catch((error: unknown) => log.fault('the metrics could not be prepared', error));
  }, WARM_UP_AFTER_MS).unref();
}
