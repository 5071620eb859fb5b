import { setTimeout as delay } from 'node:timers/promises';
import { signal } from '../../../conformance/target/processes.js';
import type { Session } from '../../check/session.js';
import { below, pick, type RandomSource } from '../../support/random.js';
import { ACTION_NAME, type Cell, childrenNamed, type Fault, TEMPLATE_NAME } from '../fault.js';

const forkserverOnly = ({ engine, protocol }: Cell): string | undefined =>
  engine === 'forkserver' && protocol !== 'actionloop' ? undefined : 'there are no templates';

/** A clone may have got its run in the moment between the look and the signal. */
const KILLED = ['run_killed', 'loop_exited', 'loop_not_restarted'] as const;

function one(session: Session, name: string, random: RandomSource): number | undefined {
  const found = childrenNamed(session, name);
  return found.length === 0 ? undefined : pick(random, found);
}

async function stopped(pid: number | undefined, ms: number): Promise<void> {
  if (pid === undefined) return;
  signal(pid, 'SIGSTOP');
  await delay(ms);
  signal(pid, 'SIGCONT');
}

/** Templates and prewarmed clones of the fork server are killed. */
export const templateKilled: Fault = {
  name: 'template-killed',
  unavailableReason: forkserverOnly,
  explains: KILLED,
  inject: async (session, random) => {
    const pid = one(session, TEMPLATE_NAME, random);
    if (pid !== undefined) signal(pid, 'SIGKILL');
    await delay(below(random, 50));
  },
};

/** Templates and prewarmed clones are stopped, and go on later. */
export const templateStopped: Fault = {
  name: 'template-stopped',
  unavailableReason: forkserverOnly,
  inject: (session, random) => stopped(one(session, TEMPLATE_NAME, random), 20 + below(random, 1500)),
};

/** Processes of activations are killed. */
export const runKilled: Fault = {
  name: 'run-killed',
  explains: KILLED,
  inject: async (session, random) => {
    const pid = one(session, ACTION_NAME, random);
    if (pid !== undefined) signal(pid, 'SIGKILL');
    await delay(below(random, 50));
  },
};

/** Processes of activations are stopped, and go on later. */
export const runStopped: Fault = {
  name: 'run-stopped',
  inject: (session, random) => stopped(one(session, ACTION_NAME, random), 20 + below(random, 500)),
};
