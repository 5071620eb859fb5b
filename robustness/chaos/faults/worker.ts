import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { below } from '../../support/random.js';
import type { Fault } from '../fault.js';

const HOOK = fileURLToPath(new URL('../worker-hook.cjs', import.meta.url));
const SOCKET = 'chaos-socket';

/** Worker threads die of an exception. */
export const workerLost: Fault = {
  name: 'worker-lost',
  launch: {
    before: `export HYPERSKELETON_CHAOS_SOCKET="$PWD/${SOCKET}"`,
    env: { NODE_OPTIONS: `--require ${HOOK}`, HYPERSKELETON_THREADS: '2' },
  },
  explains: ['worker_lost', 'loop_exited', 'loop_not_restarted', 'run_killed'],
  inject: async (session, random) => {
    const socket = connect(join(session.subject.folder, SOCKET));
    socket.on('error', () => {});
    socket.end(String(below(random, 2)));
    await delay(300 + below(random, 700));
  },
};
