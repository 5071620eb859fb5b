import type { ActionState } from '../action/state.js';
import type { Config } from '../config/load.js';
import type { DirectLane } from '../direct/direct-lane.js';
import { plainSinks } from '../logs/sink.js';
import type { WorkerSettings } from '../pool/messages.js';
import { slotOfOwedSentinels, type WorkerPool } from '../pool/worker-pool.js';
import type { AwakeClock } from '../process/awake-clock.js';
import type { LogStreams } from '../worker/activation-log.js';
import { ClassicRunner, type Runner } from './runner.js';

/** The runner of the protocol that is set; the other one is not even loaded. */
export async function createRunner(
  config: Config,
  settings: WorkerSettings,
  pool: WorkerPool,
  action: ActionState,
  clock: AwakeClock,
  direct: DirectLane | undefined,
): Promise<Runner> {
  if (config.protocol === 'classic') {
    const openLogs = async (): Promise<LogStreams> => {
      const { streamsOf } = await import('../worker/surroundings.js');
      return streamsOf(settings, slotOfOwedSentinels(config.threads), await plainSinks(settings.sinks));
    };
    return new ClassicRunner(pool, action, direct, openLogs);
  }
  const { createLoopRunner } = await import('../actionloop/create.js');
  return createLoopRunner(config, settings, pool, clock);
}
