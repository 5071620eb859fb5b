import { setTimeout as delay } from 'node:timers/promises';
import { mixedWork, type Work } from '../../load/request.js';
import { TokenClients } from '../../load/token-clients.js';
import { below, type RandomSource } from '../../support/random.js';
import type { Fault } from '../fault.js';

const GRACE_MS = 2000;
/** Some activations outlive the grace period. */
const LONG_MS = 10_000;
const LONG_SHARE = 0.05;
const CLIENTS = 12;

function work(random: RandomSource): Work {
  const some = mixedWork(random);
  if (random() < LONG_SHARE) return { ...some, end: 'result', sleepMs: LONG_MS };
  return some.end === 'timeout' ? { ...some, end: 'result' } : some;
}

/** SIGTERM at any moment: each request gets an answer or the end of its connection, and the server ends in time. */
export const sigterm: Fault = {
  name: 'sigterm',
  launch: { env: { HYPERSKELETON_GRACE_MS: String(GRACE_MS), HYPERSKELETON_TIMEOUT_GRACE_MS: '300' } },
  explains: ['draining', 'run_shutdown_killed', 'loop_exited', 'run_killed', 'loop_no_action'],
  inject: () => delay(10),
  end: async (session, random) => {
    const clients = new TokenClients(session, () => work(random)).start(CLIENTS);
    await delay(below(random, 1500));
    clients.isServerEnding = true;
    await session.terminate(GRACE_MS);
    await session.killRest();
    await clients.stop();
  },
};
