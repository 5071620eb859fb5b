import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import { ensureAction } from '../action/stub.js';
import { Admission } from '../admission/admission.js';
import { systemLimits } from '../admission/default-limit.js';
import type { Config } from '../config/load.js';
import { ServerLog } from '../logs/server-log.js';
import { Recorder } from '../metrics/recorder.js';
import { createSharedMemory, WorkerPool } from '../pool/worker-pool.js';
import { openFilesOfActions } from '../process/open-files.js';
import { reapOrphans } from '../process/orphans.js';
import type { HttpServer } from '../server/http-server.js';
import { refuseBusyPort } from '../server/port-probe.js';
import { Service } from '../server/service.js';
import { shutDown } from '../server/shutdown.js';

/**
 * `hyperskeleton serve`: runs the server until a signal ends it.
 *
 * @throws Error with a message for the operator when it can't start
 */
export async function serve(config: Config): Promise<void> {
  const temporary =
    config.actionRoot === undefined ? mkdtempSync(join(tmpdir(), 'hyperskeleton-')) : undefined;
  const actionRoot = config.actionRoot ?? (temporary as string);
  if (temporary !== undefined) process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
  ensureAction(actionRoot);
  // Before a thread or a native library is loaded: ending the process in the middle of that can crash it.
  await refuseBusyPort(config.port);
  let engine = 'starting';
  const pool = startPool(config, actionRoot, (threadId, killed) => {
    recorder.workersLost++;
    log.warn('worker thread lost', { threadId, killed });
  });
  const limits = systemLimits();
  const admission = new Admission(config.maxInFlight ?? limits.inFlight, config.maxQueued ?? limits.queued);
  const recorder = new Recorder({
    inFlight: () => admission.inFlight,
    queued: () => admission.queued,
    workerThreads: () => pool.threads,
    engine: () => engine,
  });
  const log = await ServerLog.open(config.logFile, config.logLevel);
  const service = new Service(config, admission, pool, recorder, log);
  // Loaded while the first worker starts on another core: the two take about as long.
  const { HttpServer } = await loadFrontEnd();
  const http = new HttpServer(service);
  const port = await http.listen(config.port);
  endOnSignals(service, http);
  survive(log);
  const hello = await pool.hello().catch(async (error: unknown) => {
    // Ending the process under a thread that lives can crash it.
    await pool.close();
    throw error;
  });
  engine = hello.engine;
  watchSelfTest(pool, (reason) => {
    engine = 'posix_spawn';
    log.warn('a slower engine is in use', { engine, fallbackReason: `forkserver: ${reason}` });
  });
  service.ready = true;
  pool.growTo(config.threads);
  await reapOrphans();
  if (hello.fallbackReason !== '') log.warn('a slower engine is in use', hello);
  log.info('serving', { port, engine, actionRoot, threads: config.threads });
  if (isatty(2))
    process.stderr.write(
      `hyperskeleton serves http://127.0.0.1:${port} (engine ${engine}, action root ${actionRoot})\n`,
    );
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

async function loadFrontEnd(): Promise<typeof import('../server/http-server.js')> {
  try {
    return await import('../server/http-server.js');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n').at(-1) : String(cause);
    throw new Error(
      `the front end can't be loaded by Node ${process.version} on this system: Node 20 needs glibc 2.28, later` +
        ` ones need 2.38 (${reason})`,
      { cause },
    );
  }
}

function startPool(
  config: Config,
  actionRoot: string,
  workerLost: (threadId: number, killed: number) => void,
): WorkerPool {
  const settings = {
    actionRoot,
    engine: config.engine,
    maxResultBytes: config.maxResultBytes,
    maxUnzippedBytes: config.maxUnzippedBytes,
    maxEntries: config.maxEntries,
    drainMs: config.drainMs,
    openFiles: openFilesOfActions(process.env.HYPERSKELETON_SOFT_OPEN_FILES),
    shared: createSharedMemory(config.threads),
  };
  return new WorkerPool(settings, { workerLost });
}

/** What nobody caught is logged, and the server goes on: other activations are in flight. */
function survive(log: ServerLog): void {
  process.on('uncaughtException', (error) => log.fault('an error that nobody caught', error));
}

/** The first signal drains, a second one ends the grace period at once. */
function endOnSignals(service: Service, http: HttpServer): void {
  let hurry: (() => void) | undefined;
  const onSignal = (): void => {
    if (hurry !== undefined) {
      hurry();
      return;
    }
    const hurried = new Promise<void>((resolve) => {
      hurry = resolve;
    });
    shutDown(service, http, hurried).then(
      () => process.exit(0),
      (error: unknown) => {
        service.log.fault('the shutdown failed', error);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, onSignal);
}
