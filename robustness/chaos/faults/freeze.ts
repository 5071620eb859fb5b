import { setTimeout as delay } from 'node:timers/promises';
import { signal } from '../../../conformance/target/processes.js';
import { nowMs } from '../../check/health.js';
import { below } from '../../support/random.js';
import type { Fault } from '../fault.js';

/** The whole server is stopped for a while, as a frozen container is; no timer may fire a false time-out after it. */
export const serverFrozen: Fault = {
  name: 'server-frozen',
  launch: { env: { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '5000' } },
  inject: async (session, random) => {
    const { pid } = session.subject;
    const fromMs = nowMs();
    signal(pid, 'SIGSTOP');
    await delay(100 + below(random, 2500));
    signal(pid, 'SIGCONT');
    session.excuse(fromMs);
    await delay(below(random, 500));
  },
};
