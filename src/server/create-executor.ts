import type { ActionState } from '../action/state.js';
import type { LogStreams } from '../activation/activation-log.js';
import { ClassicExecutor, type Executor } from '../executor/executor.js';
import type { MainThreadExecutor } from '../executor/main-thread.js';
import { plainSinks } from '../logging/action-log/sink.js';
import type { FreezeAwareClock } from '../os/freeze-aware-clock.js';
import type { WorkerSettings } from '../threads/messages.js';
import { slotOfSentinelWriter } from '../threads/thread-memory.js';
import type { WorkerPool } from '../threads/worker-pool.js';

/** The runner of the protocol that is set; the other one is not even loaded. */
export async function createExecutor(
  settings: WorkerSettings,
  pool: WorkerPool,
  action: ActionState,
  clock: FreezeAwareClock,
  direct: MainThreadExecutor | undefined,
): Promise<Executor> {
  if (settings.protocol === 'classic') {
    const openLogs = async (): Promise<LogStreams> => {
      const { openLogStreams } = await import('../threads/thread-context.js');
      return openLogStreams(
        settings,
        slotOfSentinelWriter(settings.threads),
        await plainSinks(settings.sinks),
      );
    };
    return new ClassicExecutor(pool, action, direct, openLogs);
  }
  const { createActionLoopExecutor } = await import('../executor/actionloop/create.js');
  return createActionLoopExecutor(settings, pool, clock);
}
