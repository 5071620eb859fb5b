import { plainSinks, type Sink, type SinkTarget } from '../../logging/action-log/sink.js';
import { fileScopeOf } from '../../os/file-scope.js';
import type { FreezeAwareClock } from '../../os/freeze-aware-clock.js';
import type { Confinement, Rights } from '../../os/rights.js';
import { ByteBudget } from '../../shared-memory/byte-budget.js';
import type { WorkerSettings } from '../../threads/messages.js';
import { openLogStreams } from '../../threads/thread-context.js';
import { slotOfMain } from '../../threads/thread-memory.js';
import type { WorkerPool } from '../../threads/worker-pool.js';
import type { Executor } from '../executor.js';
import type { ActionLoopLauncher } from './channel.js';
import { childProcessLauncher } from './child-process-channel.js';
import { ActionLoopExecutor } from './executor.js';

/** Sets the ActionLoop protocol up on this thread, with the engine that the worker threads have. */
export async function createActionLoopExecutor(
  settings: WorkerSettings,
  pool: WorkerPool,
  clock: FreezeAwareClock,
): Promise<Executor> {
  const { engine, fallbackReason } = await pool.hello();
  if (settings.actionloopIsolation === 'activation') {
    if (engine === 'child_process')
      throw new Error(
        `HYPERSKELETON_ACTIONLOOP_ISOLATION=activation needs another engine than child_process${fallbackReason && `: ${fallbackReason}`}`,
      );
    return createIsolatedExecutor(settings, pool);
  }
  const { rights } = settings;
  const { launch, sinkFor, close } =
    engine === 'child_process'
      ? await createPlainBackend(settings, await confinementFor(rights))
      : await createNativeBackend(settings, pool);
  const scope = await fileScopeOf(rights?.user);
  const logs = openLogStreams(settings, slotOfMain(settings.threads), sinkFor);
  return new ActionLoopExecutor({
    pool,
    launch,
    close,
    scope,
    clock,
    budget: new ByteBudget(settings.shared.budget),
    logs,
    config: settings,
    waitForAcknowledgement: (process.env.OW_WAIT_FOR_ACK ?? '') !== '',
    logsInitErrors: (process.env.OW_LOG_INIT_ERROR ?? '') !== '',
  });
}

async function createIsolatedExecutor(settings: WorkerSettings, pool: WorkerPool): Promise<Executor> {
  const { IsolatedExecutor } = await import('./isolated-executor.js');
  return new IsolatedExecutor({
    pool,
    scope: await fileScopeOf(settings.rights?.user),
    logs: openLogStreams(settings, slotOfMain(settings.threads), await plainSinks(settings.sinks)),
    config: settings,
    logsInitErrors: (process.env.OW_LOG_INIT_ERROR ?? '') !== '',
    close: () => {},
  });
}

/** Imported only where anything differs from the server's own rights. */
async function confinementFor(rights: Rights | undefined): Promise<Confinement | undefined> {
  return rights && (await import('../../engines/native-code/confinement-helper.js')).confinementOf(rights);
}

interface Backend {
  readonly launch: ActionLoopLauncher;
  readonly sinkFor: (target: SinkTarget) => Sink;
  /** Gives back what was set up on this thread. */
  readonly close: () => void;
}

async function createPlainBackend(
  settings: WorkerSettings,
  confinement: Confinement | undefined,
): Promise<Backend> {
  const launch = childProcessLauncher(settings, confinement);
  return { launch, sinkFor: await plainSinks(settings.sinks), close: () => {} };
}

/** Imported here only: where the library can't be loaded, this thread goes without it. */
async function createNativeBackend(settings: WorkerSettings, pool: WorkerPool): Promise<Backend> {
  const [{ Reactor }, { NativeSink }, { nativeLauncher }, { NativeLogs }] = await Promise.all([
    import('../../os/reactor.js'),
    import('../../logging/action-log/native-sink.js'),
    import('./native-channel.js'),
    import('./native-logs.js'),
  ]);
  const reactor = new Reactor();
  const logs = new NativeLogs(settings, reactor);
  return {
    launch: nativeLauncher(pool, reactor, logs),
    sinkFor: (target) => new NativeSink(target, reactor),
    close: () => {
      logs.close();
      reactor.close();
    },
  };
}
