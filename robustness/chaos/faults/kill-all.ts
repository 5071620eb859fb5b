import { setTimeout as delay } from 'node:timers/promises';
import { postRun } from '../../load/one-run.js';
import { PLAIN, runBody } from '../../load/request.js';
import { below } from '../../support/random.js';
import { type Fault, needsRoot } from '../fault.js';

/** An action kills all processes that it may, in a process namespace whose first process is the server. */
export const killAll: Fault = {
  name: 'kill-all',
  unavailableReason: needsRoot,
  launch: { launcher: 'unshare --pid --fork --kill-child --mount-proc', isChild: true },
  explains: ['run_killed', 'loop_exited', 'loop_not_restarted'],
  inject: async (session, random) => {
    await postRun(session, (token) => runBody(token, PLAIN, { killAll: 1 }));
    await delay(100 + below(random, 300));
  },
};
