import { threadId, workerData } from 'node:worker_threads';
import { createActionCache, type GetActionImage } from '../activation/action-cache.js';
import type { ActivationLimits } from '../activation/activation.js';
import type { LogStreams } from '../activation/activation-log.js';
import { plainSinks } from '../logging/action-log/sink.js';
import { makeUndumpable } from '../os/dumpable.js';
import { fileScopeOf } from '../os/file-scope.js';
import { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import { restorePriority } from '../os/nice.js';
import { messageOf } from '../protocol/message-of.js';
import { EventLoopLag, LAG_TABLE } from '../shared-memory/event-loop-lag.js';
import { ResourceTable } from '../shared-memory/resource-table.js';
import { SpawnLock } from '../shared-memory/spawn-lock.js';
import type { WorkerSettings } from './messages.js';
import type { ActionConfinement, ThreadEngines } from './native-engines.js';
import { StartQueue } from './start-queue.js';
import { activationLimitsOf, openLogStreams, ownerNumbers } from './thread-context.js';

/** What one worker thread has at hand for its tasks. */
export interface WorkerRuntime extends ActionConfinement, Omit<ThreadEngines, 'sinkFor' | 'closeReactor'> {
  readonly settings: WorkerSettings;
  readonly logs: LogStreams;
  readonly limits: ActivationLimits;
  readonly spawnLock: SpawnLock;
  readonly startQueue: StartQueue;
  /** Tells how late this thread's event loop is; undefined where nobody asks. */
  readonly lag: EventLoopLag | undefined;
  /** Why other processes of the same user may read the server's memory; empty where they may not. */
  readonly inspectable: string;
  /** A number that no other activation in flight has, in any thread. */
  nextOwner(): number;
  /** The action as the init of that generation has left it. */
  readonly getActionImage: GetActionImage;
  /** Gives back what the engines hold; nothing can be run after that. */
  close(): void;
}

/** Sets the thread up, by the settings that the pool gave it. */
export async function createRuntime(): Promise<WorkerRuntime> {
  const settings = workerData as WorkerSettings;
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
  const { sinkFor, closeReactor, ...chosen } = await chooseEngines(settings, resourceTable, confined);
  const logs = openLogStreams(settings, resourceTable.slot, sinkFor);
  return {
    settings,
    inspectable,
    ...confined,
    ...chosen,
    logs,
    limits: activationLimitsOf(settings, new FreezeAwareClock(), resourceTable.slot),
    startQueue: new StartQueue(),
    lag:
      settings.shared.eventLoopLag &&
      new EventLoopLag(LAG_TABLE.slot(settings.shared.eventLoopLag, resourceTable.slot), threadId),
    spawnLock: new SpawnLock(settings.shared.spawnLock, resourceTable.slot),
    nextOwner: ownerNumbers(resourceTable.slot),
    getActionImage: createActionCache(settings.actionRoot, settings.environment, chosen.engines),
    close: () => {
      logs.stdout.close();
      logs.stderr.close();
      for (const engine of chosen.engines) engine.close();
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

async function chooseEngines(
  settings: WorkerSettings,
  resourceTable: ResourceTable,
  confined: ActionConfinement,
): Promise<ThreadEngines> {
  let fallbackReason = '';
  if (settings.engine !== 'child_process') {
    try {
      // Imported here only: where the library can't be loaded, nothing else of this thread needs it.
      const native = await import('./native-engines.js');
      return await native.createNativeEngines(settings, resourceTable, confined);
    } catch (error) {
      if (settings.engine !== 'auto') throw error;
      fallbackReason = messageOf(error);
    }
  }
  const { ChildProcessEngine } = await import('../engines/child-process.js');
  return {
    engines: [new ChildProcessEngine(resourceTable, confined.confinement)],
    sinkFor: await plainSinks(settings.sinks),
    fallbackReason,
    closeReactor: () => {},
  };
}
