import type { ExecEngine } from '../engines/engine.js';
import type { BuiltTemplate, TemplatePlan } from '../engines/forkserver/build/build-template.js';
import type { ForkserverEngine, ForkserverOptions } from '../engines/forkserver/engine.js';
import type { ForkserverContextParts } from '../engines/forkserver/ipc/context.js';
import { StatsWriter } from '../engines/forkserver/ipc/stats.js';
import { LazyForkserver } from '../engines/forkserver/lazy-engine.js';
import type { IsolatedEngine } from '../engines/forkserver/waiting/engine.js';
import { PosixSpawnEngine } from '../engines/posix-spawn.js';
import { NativeSink } from '../logging/action-log/native-sink.js';
import type { Sink, SinkTarget } from '../logging/action-log/sink.js';
import { ActionLoopChild, type ActionLoopProgram } from '../os/actionloop-child.js';
import type { FileScope } from '../os/file-scope.js';
import { killProcessGroup } from '../os/leftover-processes.js';
import { requirePidfds } from '../os/native-process.js';
import { Reactor } from '../os/reactor.js';
import type { Confinement } from '../os/rights.js';
import { Spawner } from '../os/spawner.js';
import type { ResourceTable } from '../shared-memory/resource-table.js';
import type { WorkerSettings } from './messages.js';
import { nofileLimitFor } from './nofile-limit.js';

/** What a thread starts actions with, and works on their files with, where their rights are not the server's. */
export interface ActionConfinement {
  readonly confinement: Confinement | undefined;
  readonly scope: FileScope;
}

/** Gets what a process writes before it waits for its first line; valid during the call. */
export type IsolatedLog = (stream: 'stdout' | 'stderr', bytes: Buffer) => void;

/** What a thread starts processes with, and writes logs with. */
export interface ThreadEngines {
  /** In order of preference; the next is asked where one refuses. */
  readonly engines: readonly ExecEngine[];
  /** Why a better engine is not in use; empty where the best is. */
  readonly fallbackReason: string;
  readonly sinkFor: (target: SinkTarget) => Sink;
  /** Starts a process that stays (C-AL-01 to C-AL-23); absent where the engine can't. */
  readonly startActionLoop?: (program: ActionLoopProgram) => ActionLoopChild | string;
  /** What starts a process for each activation of an ActionLoop action, made at the first call; absent where the C library can't be called. */
  readonly isolated?: (log: IsolatedLog) => Promise<IsolatedEngine>;
  /** Makes a template for the main thread; absent where the engine has none. @throws Error where it can't */
  readonly buildTemplate?: (plan: TemplatePlan) => BuiltTemplate;
  /** Ends the watching of descriptors; to be called after the engines were closed. */
  readonly closeReactor: () => void;
}

/**
 * The engines that call the C library, and the log sinks that go with them.
 *
 * @throws Error naming what this system lacks
 */
export async function createNativeEngines(
  settings: WorkerSettings,
  resourceTable: ResourceTable,
  { confinement, scope }: ActionConfinement,
): Promise<ThreadEngines> {
  requirePidfds();
  const reactor = new Reactor();
  resourceTable.recordReactor(reactor.fd);
  const nofileLimit = nofileLimitFor(settings, resourceTable.slot);
  const beforeReaping = (pid: number): void => {
    if (settings.leftovers !== 'keep') killProcessGroup(pid);
  };
  const engines: ExecEngine[] = [new PosixSpawnEngine(reactor, resourceTable, nofileLimit, confinement)];
  const { engine, shared } = settings;
  const stats = new StatsWriter(shared.engineStats, resourceTable.slot);
  const options = { reactor, resourceTable, nofileLimit, stats, rights: confinement?.rights, scope };
  let isolated: Promise<IsolatedEngine> | undefined;
  let forkserver: ForkserverEngine | LazyForkserver | undefined;
  try {
    // Who asks for it by name gets it at once; otherwise nobody waits for a template.
    if (engine === 'forkserver') forkserver = await createForkserver({ ...options, waitsForTemplate: true });
    if (engine === 'auto') forkserver = new LazyForkserver({ ...options, waitsForTemplate: false });
    if (forkserver !== undefined) engines.unshift(forkserver);
  } catch (error) {
    // A handle that is left open when the thread ends crashes the process.
    reactor.close();
    throw error;
  }
  return {
    engines,
    fallbackReason: '',
    sinkFor: (target) => new NativeSink(target, reactor),
    startActionLoop: (program) =>
      ActionLoopChild.start(
        program,
        new Spawner(nofileLimit, confinement),
        reactor,
        resourceTable,
        beforeReaping,
      ),
    isolated: (log) => {
      isolated ??= createIsolated(
        settings,
        options,
        new Spawner(nofileLimit, confinement),
        log,
        beforeReaping,
      );
      return isolated;
    },
    ...(forkserver !== undefined && { buildTemplate: (plan) => forkserver.build(plan) }),
    closeReactor: () => {
      void isolated?.then((engine) => engine.close()).catch(() => {});
      reactor.close();
    },
  };
}

/** @throws Error with the precise reason where it can't be had */
async function createForkserver(options: ForkserverOptions): Promise<ForkserverEngine> {
  const { ForkserverEngine } = await import('../engines/forkserver/engine.js');
  const engine = new ForkserverEngine(options);
  engine.selfTest();
  // A test that could not be finished is made again before the first template.
  const reason = options.stats.selfTest?.reason ?? '';
  if (reason !== '') throw new Error(`forkserver: ${reason}`);
  return engine;
}

/** @throws Error where there is no code for this processor */
async function createIsolated(
  { engine, initTimeoutMs }: WorkerSettings,
  options: ForkserverContextParts,
  spawner: Spawner,
  log: IsolatedLog,
  beforeReaping: (pid: number) => void,
): Promise<IsolatedEngine> {
  const [{ IsolatedEngine }, { createContext }, { TemplateBuilder }, { threadProcPath }] = await Promise.all([
    import('../engines/forkserver/waiting/engine.js'),
    import('../engines/forkserver/ipc/context.js'),
    import('../engines/forkserver/templates/builder.js'),
    import('../engines/forkserver/build/thread-proc-path.js'),
  ]);
  const context = createContext(options, threadProcPath());
  let builder: InstanceType<typeof TemplateBuilder> | undefined;
  return new IsolatedEngine({
    ...options,
    context,
    spawner,
    log,
    beforeReaping,
    rights: options.rights,
    scope: options.scope,
    clones: engine !== 'posix_spawn',
    acknowledges: (process.env.OW_WAIT_FOR_ACK ?? '') !== '',
    maxLoadMs: initTimeoutMs,
    selfTest: () => {
      builder ??= new TemplateBuilder(context.arch, options);
      return builder.selfTest();
    },
  });
}
