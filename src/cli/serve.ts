import { availableParallelism } from 'node:os';
import { isatty } from 'node:tty';
import { threadId } from 'node:worker_threads';
import { ActionState } from '../action/state.js';
import { ensureAction, ensureActionRoot } from '../action/stub.js';
import { Admission } from '../admission/admission.js';
import { cpuSaturation } from '../admission/cpu-saturation.js';
import { systemLimits } from '../admission/default-limit.js';
import { LoadShedder } from '../admission/load-shedder.js';
import type { Config } from '../config/load.js';
import { version } from '../config/version.js';
import { DirectLane } from '../direct/direct-lane.js';
import { type LoadedFrontEnd, loadFrontEnd } from '../http/front-end.js';
import { type ListenAddress, urlOf } from '../http/listener.js';
import { ServerLog } from '../logs/server-log.js';
import type { PrewarmStats } from '../metrics/gauges.js';
import { createLagMemory, LoopLag, lagCells } from '../metrics/loop-lag.js';
import { Recorder } from '../metrics/recorder.js';
import { Startup } from '../metrics/startup.js';
import { ByteBudget } from '../pool/byte-budget.js';
import { WorkerPool } from '../pool/worker-pool.js';
import { fileScopeOf } from '../process/acting-as.js';
import { threadsThatFit } from '../process/address-space.js';
import { AwakeClock } from '../process/awake-clock.js';
import { endAtOnce } from '../process/end-process.js';
import { oomPreference } from '../process/oom-preference.js';
import { reapOrphans } from '../process/orphans.js';
import { takePrecedence } from '../process/precedence.js';
import { createRunner } from '../server/create-runner.js';
import { HttpServer } from '../server/http-server.js';
import { serverGauges } from '../server/server-gauges.js';
import { Service } from '../server/service.js';
import { shutDown } from '../server/shutdown.js';
import { loadDeadlineReader } from '../server/time-limit.js';
import { ServerSignals } from '../signals/server-signals.js';
import { openTracing } from '../tracing/tracing.js';
import { actionRootFor } from './action-root.js';
import type { CommandLine } from './command.js';
import { type LogTargets, rightsOf, workerSettings } from './worker-settings.js';

/** `hyperskeleton serve`. @returns undefined: a server runs */
export async function serveCommand({ config }: CommandLine): Promise<undefined> {
  await serve(config);
}

/** In a container the streams belong to the action. */
const CONTAINER_LOGS: LogTargets = { logs: [1, 2], sentinels: true };

/**
 * Runs the server until a signal ends it.
 *
 * @throws Error with a message for the operator when it can't start
 */
export async function serve(config: Config): Promise<void> {
  const signals = new ServerSignals();
  const startup = new Startup();
  startup.ends('node');
  if (config.unknownPlatform !== undefined) {
    process.stderr.write(
      `Invalid __OW_RUNTIME_PLATFORM ${config.unknownPlatform}! Valid Platforms are openwhisk and knative. Defaulting to openwhisk.\n`,
    );
  }
  const mostThreads = threadsThatFit(config.threads);
  const rights = rightsOf(config);
  const scope = await fileScopeOf(rights?.user);
  const actionRoot = actionRootFor(config.actionRoot, scope);
  let engine = 'starting';
  let frontEnd = 'starting';
  const settings = {
    ...workerSettings(config, actionRoot, CONTAINER_LOGS, rights),
    priority: takePrecedence(),
  };
  // Before all else: the start of its thread takes longer than that of everything on this one.
  const pool = new WorkerPool(settings, {
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
  await closingOnError(pool, async () => {
    ensureActionRoot(actionRoot, rights?.user);
    if (config.protocol === 'classic') ensureAction(actionRoot, scope);
    else (await import('../actionloop/recover.js')).ensureLoopRoot(actionRoot, scope);
  });
  const clock = new AwakeClock();
  const budget = new ByteBudget(settings.shared.budget);
  const action = new ActionState(config.allowReinit, () => pool.generation);
  const limits = systemLimits();
  const shedder = config.loadShedding
    ? new LoadShedder(availableParallelism(), cpuSaturation(), performance.now())
    : undefined;
  const admission = new Admission(
    config.maxInFlight ?? limits.inFlight,
    config.maxQueued ?? limits.queued,
    shedder,
  );
  const isAlone = (): boolean => admission.inFlight === 1 && admission.queued === 0;
  const direct = runsDirectly(config) ? new DirectLane(settings, pool, clock, isAlone) : undefined;
  const { lag: lagMemory } = settings.shared;
  const lag = lagMemory && new LoopLag(lagCells(createLagMemory(1), 0), threadId);
  const recorder =
    lag &&
    new Recorder(
      serverGauges({
        ...{ admission, budget, pool, startup, lag, lagMemory },
        engine: () => engine,
        frontEnd: () => frontEnd,
        version: settings.version,
        spans: () => tracing?.counts,
        loop: () => runner.gauges,
        prewarm: () => prewarmStats(pool, engine),
        signals: () => signals.counts,
        logRecordsDropped: () => log.dropped,
      }),
    );
  startup.ends('prepare');
  const log = await closingOnError(pool, () => ServerLog.open(config));
  // Loaded while the first worker starts on another core: the two take about as long.
  const [http, runner, tracing] = await Promise.all([
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
  const deadlineIn = await loadDeadlineReader(config);
  const parts = {
    config,
    deadlineIn,
    action,
    admission,
    budget,
    maxBodyBytes: settings.maxBodyBytes,
    pool,
    runner,
    metrics: recorder,
    lag,
    tracing,
    log,
    clock,
  };
  const service = new Service(parts);
  frontEnd = http.frontEnd.name;
  const server = new HttpServer(service, http.frontEnd);
  const addresses = await closingOnError(pool, () => server.listen());
  startup.ends('listen');
  serveSignals(signals, service, server);
  survive(log);
  const hello = await closingOnError(pool, () => pool.hello());
  engine = hello.engine;
  startup.ends('worker');
  watchSelfTest(pool, (reason) => {
    engine = 'posix_spawn';
    log.warn('a slower engine is in use', { engine, fallbackReason: `forkserver: ${reason}` });
  });
  service.ready = true;
  pool.allow(mostThreads);
  // Who gives the metrics a port has them scraped.
  if (config.metricsPort !== undefined) warmUpLater(recorder, log);
  await reapOrphans();
  const { fallbackReason, inspectable } = hello;
  if (fallbackReason !== '') log.warn('a slower engine is in use', { engine, fallbackReason });
  if (http.fallbackReason !== '') {
    log.warn('a slower HTTP front end is in use', { http: frontEnd, fallbackReason: http.fallbackReason });
  }
  if (inspectable !== '')
    log.warn('actions of the same user can read the memory of the server', { inspectable });
  const preference = oomPreference();
  if (preference !== undefined && preference.gap < preference.intended) {
    log.warn('where memory is short the kernel may end the server before its actions', preference);
  }
  const port = addresses[0]?.port;
  const urls = addresses.map(urlOf);
  if (mostThreads < config.threads)
    log.warn('fewer threads, for the limit of the address space', { threads: mostThreads });
  log.info('serving', {
    ...{ port, engine, http: frontEnd, actionRoot, threads: mostThreads, protocol: config.protocol },
    urls,
  });
  if (isatty(2)) process.stderr.write(greeting(addresses, http, engine, actionRoot));
}

/** Wildcard addresses, in words. */
const SCOPES = new Map([
  ['::', ' (every interface, IPv6 and IPv4)'],
  ['0.0.0.0', ' (every interface, IPv4)'],
]);

/** For a person: where it listens, a line for each address, and what it is made of. */
function greeting(
  addresses: readonly ListenAddress[],
  { frontEnd, fallbackReason }: LoadedFrontEnd,
  engine: string,
  actionRoot: string,
): string {
  const lines = addresses.map(
    (one) => `hyperskeleton serves ${urlOf(one)}${SCOPES.get(one.address) ?? ''}\n`,
  );
  const note = fallbackReason === '' ? '' : `, which is slower: ${fallbackReason}`;
  return `${lines.join('')}engine ${engine}, action root ${actionRoot}, HTTP by ${frontEnd.name}${note}\n`;
}

/** Only the fork server is fast enough for the main thread. */
function runsDirectly({ direct, engine, protocol, knative }: Config): boolean {
  return direct && protocol === 'classic' && !knative && (engine === 'auto' || engine === 'forkserver');
}

/** Ending the process under a thread that lives, or loads a native library, can crash it. */
async function closingOnError<Result>(
  pool: WorkerPool,
  act: () => Promise<Result> | Result,
): Promise<Result> {
  try {
    return await act();
  } catch (error) {
    await pool.close();
    throw error;
  }
}

/** A cold start is over by then. */
const WARM_UP_AFTER_MS = 1000;

function warmUpLater(recorder: Recorder | undefined, log: ServerLog): void {
  setTimeout(() => {
    recorder?.warmUp().catch((error: unknown) => log.fault('the metrics could not be prepared', error));
  }, WARM_UP_AFTER_MS).unref();
}

/** The clones that wait for a run; undefined where the engine has none. */
function prewarmStats(pool: WorkerPool, engine: string): PrewarmStats | undefined {
  if (engine !== 'forkserver') return undefined;
  const { counters, refills, refusals } = pool.engineStats;
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
    refusals,
  };
}

const SELF_TEST_LOOK_MS = 500;

/** The fork server tests itself when it is first needed, which is after the start. */
function watchSelfTest(pool: WorkerPool, failed: (reason: string) => void): void {
  const timer = setInterval(() => {
    const outcome = pool.selfTest;
    if (outcome === undefined) return;
    clearInterval(timer);
    if (outcome.reason !== '') failed(outcome.reason);
  }, SELF_TEST_LOOK_MS).unref();
}

/** What nobody caught is logged, and the server goes on: other activations are in flight. */
function survive(log: ServerLog): void {
  process.on('uncaughtException', (error) => log.fault('an error that nobody caught', error));
}

/** Has the signals of the process do what they are for, those too that came during the start. */
function serveSignals(signals: ServerSignals, service: Service, http: HttpServer): void {
  const { log } = service;
  let hurry: () => void = () => {};
  const hurried = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  signals.serve({
    drain: () =>
      shutDown(service, http, hurried).then(
        ({ givenUp, closed }) => {
          const status = givenUp > 0 ? 1 : 0;
          if (closed) process.exit(status);
          else endAtOnce(status);
        },
        (error: unknown) => {
          log.fault('the shutdown failed', error);
          endAtOnce(1);
        },
      ),
    hurry,
    reopenLog: () => log.reopen(),
    ignored: (signal, count) => log.warn('signal ignored', { signal, count }),
  });
}
