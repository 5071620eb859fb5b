import { threadId, workerData } from 'node:worker_threads';
import { createActionCache, type GetActionImage } from '../activation/action-cache.js';
import type { ActivationLimits } from '../activation/activation.js';
import type { LogStreams } from '../activation/activation-log.js';
import type { ExecEngine } from '../engines/engine.js';
import type { BuiltTemplate, TemplatePlan } from '../engines/forkserver/build/build-template.js';
import type { IsolatedEngine } from '../engines/forkserver/waiting/engine.js';
import { plainSinks, type Sink, type SinkTarget } from '../logging/action-log/sink.js';
import type { ActionLoopChild, ActionLoopProgram } from '../os/actionloop-child.js';
import { makeUndumpable } from '../os/dumpable.js';
import { type FileScope, fileScopeOf } from '../os/file-scope.js';
import { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { restorePriority } from '../os/nice.js';
import type { Confinement } from '../os/rights.js';
import { messageOf } from '../protocol/message-of.js';
import { EventLoopLag, lagCells } from '../shared-memory/event-loop-lag.js';
import { ResourceTable } from '../shared-memory/resource-table.js';
import { SpawnLock } from '../shared-memory/spawn-lock.js';
import type { WorkerSettings } from './messages.js';
import type { ActionConfinement, IsolatedLog } from './native-engines.js';
import { StartQueue } from './start-queue.js';
import { activationLimitsOf, openLogStreams, ownerNumbers } from './thread-context.js';

/** What one worker thread has at hand for its tasks. */
export interface WorkerRuntime {
  readonly settings: WorkerSettings;
  readonly logs: LogStreams;
  readonly limits: ActivationLimits;
  readonly spawnLock: SpawnLock;
  readonly startQueue: StartQueue;
  /** Tells how late this thread's event loop is; undefined where nobody asks. */
  readonly lag: EventLoopLag | undefined;
  /** In order of preference; the next is asked where one refuses. */
  readonly engines: readonly ExecEngine[];
  /** Why a better engine is not in use; empty where the best is. */
  readonly fallbackReason: string;
  /** Why other processes of the same user may read the server's memory; empty where they may not. */
  readonly inspectable: string;
  /** What takes rights away from the processes of actions; undefined: nothing does. */
  readonly confinement: Confinement | undefined;
  /** Works on the files of the action. */
  readonly scope: FileScope;
  /** A number that no other activation in flight has, in any thread. */
  nextOwner(): number;
  /** Starts a process that stays (C-AL-01 to C-AL-23); undefined where the engine can't. */
  readonly startActionLoop: ((program: ActionLoopProgram) => ActionLoopChild | string) | undefined;
  /** Starts a process for each activation of an ActionLoop action; undefined where the C library can't be called. */
  readonly isolated: ((log: IsolatedLog) => Promise<IsolatedEngine>) | undefined;
  /** Makes a template for the main thread; undefined where the engine has none. */
  readonly buildTemplate: ((plan: TemplatePlan) => BuiltTemplate) | undefined;
  /** The action as the init of that generation has left it. */
  readonly getActionImage: GetActionImage;
  /** Gives back what the engines hold; nothing can be run after that. */
  close(): void;
}

/** Sets the thread up, by the settings that the pool gave it. */
export async function createRuntime(): Promise<WorkerRuntime> {
  const settings = settingsOf(workerData);
  if (settings.priority !== undefined) restorePriority(settings.priority);
  const inspectable = await makeUndumpable();
  await ignoreOtherSignals();
  const resourceTable = new ResourceTable(settings.shared.resourceTable, threadId);
  const { rights } = settings;
  const confined = {
    // Imported only where they differ from the server's own.
    confinement:
      rights && (await (await import('../engines/native-code/confinement-helper.js')).confinementOf(rights)),
    scope: await fileScopeOf(rights?.user),
  };
  const choice = await chooseEngines(settings, resourceTable, confined);
  const { engines, sinkFor, startActionLoop, buildTemplate, fallbackReason, closeReactor } = choice;
  const logs = openLogStreams(settings, resourceTable.slot, sinkFor);
  return {
    settings,
    engines,
    fallbackReason,
    inspectable,
    ...confined,
    startActionLoop,
    isolated: choice.isolated,
    buildTemplate,
    logs,
    limits: activationLimitsOf(settings, new FreezeAwareClock(), resourceTable.slot),
    startQueue: new StartQueue(),
    lag:
      settings.shared.eventLoopLag &&
      new EventLoopLag(lagCells(settings.shared.eventLoopLag, resourceTable.slot), threadId),
    spawnLock: new SpawnLock(settings.shared.spawnLock, resourceTable.slot),
    nextOwner: ownerNumbers(resourceTable.slot),
    getActionImage: createActionCache(settings.actionRoot, settings.environment, engines),
    close: () => {
      logs.stdout.close();
      logs.stderr.close();
      for (const engine of engines) engine.close();
      closeReactor();
    },
  };
}

/** Of the whole process, before any action runs. Without the C library's calls those signals keep their defaults. */
async function ignoreOtherSignals(): Promise<void> {
  try {
    (await import('../os/native-signals.js')).ignoreOtherSignals();
  } catch {
    // The engine says why the library can't be loaded.
  }
}

/** Piscina passes workerData through with its own wrapping; ours is the object that has the settings. */
function settingsOf(data: unknown): WorkerSettings {
  return data as WorkerSettings;
}

interface EngineSelection {
  readonly engines: readonly ExecEngine[];
  readonly sinkFor: (target: SinkTarget) => Sink;
  readonly startActionLoop: WorkerRuntime['startActionLoop'];
  readonly isolated: WorkerRuntime['isolated'];
  readonly buildTemplate: WorkerRuntime['buildTemplate'];
  readonly fallbackReason: string;
  readonly closeReactor: () => void;
}

async function chooseEngines(
  settings: WorkerSettings,
  resourceTable: ResourceTable,
  confined: ActionConfinement,
): Promise<EngineSelection> {
  let fallbackReason = '';
  if (settings.engine !== 'child_process') {
    try {
      // Imported here only: where the library can't be loaded, nothing else of this thread needs it.
      const native = await import('./native-engines.js');
      return { ...(await native.createNativeEngines(settings, resourceTable, confined)), fallbackReason };
    } catch (error) {
      if (settings.engine !== 'auto') throw error;
      fallbackReason = messageOf(error);
    }
  }
  const { ChildProcessEngine } = await import('../engines/child-process.js');
  return {
    engines: [new ChildProcessEngine(resourceTable, confined.confinement)],
    sinkFor: await plainSinks(settings.sinks),
    startActionLoop: undefined,
    isolated: undefined,
    buildTemplate: undefined,
    fallbackReason,
    closeReactor: () => {},
  };
}
