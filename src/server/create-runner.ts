import type { ActionState } from '../action/state.js';
import type { Config } from '../config/load.js';
import type { DirectLane } from '../direct/direct-lane.js';
import type { WorkerSettings } from '../pool/messages.js';
import type { WorkerPool } from '../pool/worker-pool.js';
import type { AwakeClock } from '../process/awake-clock.js';
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
  if (config.protocol === 'classic') return new ClassicRunner(pool, action, direct);
  const { createLoopRunner } = await import('../actionloop/create.js');
  return createLoopRunner(config, settings, pool, clock);
}
