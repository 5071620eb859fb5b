import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Session } from '../../check/session.js';
import { postRun } from '../../load/one-run.js';
import { PLAIN, runBody } from '../../load/request.js';
import { below } from '../../support/random.js';
import { type Fault, needsRoot } from '../fault.js';

const CGROUPS = '/sys/fs/cgroup/pids';
const NO_RESOURCES = [
  'run_no_resources',
  'overloaded',
  'loop_not_restarted',
  'loop_exited',
  'run_killed',
] as const;

/** The server may open so many files; it needs about 40 at rest. */
const MAX_DESCRIPTORS = 160;

/** Idle connections use up all descriptors: EMFILE for whatever needs one. */
export const fewDescriptors: Fault = {
  name: 'few-descriptors',
  launch: { before: `ulimit -n ${MAX_DESCRIPTORS}` },
  explains: NO_RESOURCES,
  mayDrop: true,
  isInexact: true,
  inject: async (session, random) => {
    const sockets = Array.from({ length: MAX_DESCRIPTORS }, () => {
      const socket = connect(session.subject.port, '127.0.0.1');
      return socket.on('error', () => {});
    });
    await delay(200 + below(random, 500));
    for (const socket of sockets) socket.destroy();
    await delay(200);
  },
};

/** The server's own control group of processes; the shell that becomes the server enters it. */
const OWN_GROUP = {
  before: `mkdir -p ${CGROUPS}/hyperskeleton-chaos-$$ && echo $$ >${CGROUPS}/hyperskeleton-chaos-$$/cgroup.procs`,
} as const;

function groupOf(session: Session): string {
  return `${CGROUPS}/hyperskeleton-chaos-${session.subject.server.pid}`;
}

function needsGroups(): string | undefined {
  return (
    needsRoot() ?? (existsSync(CGROUPS) ? undefined : 'there is no control group of processes (cgroup v1)')
  );
}

/** No further process or thread can be started: EAGAIN. */
export const fewProcesses: Fault = {
  name: 'few-processes',
  unavailableReason: needsGroups,
  launch: OWN_GROUP,
  explains: NO_RESOURCES,
  inject: async (session, random) => {
    const group = groupOf(session);
    const held = Number(readFileSync(`${group}/pids.current`, 'latin1'));
    writeFileSync(`${group}/pids.max`, String(held + below(random, 4)));
    await delay(100 + below(random, 400));
    writeFileSync(`${group}/pids.max`, 'max');
    await delay(200);
  },
};

const MAX_PIDS = 200;

/** An action forks until its container is full. */
export const forkBomb: Fault = {
  name: 'fork-bomb',
  unavailableReason: needsGroups,
  launch: OWN_GROUP,
  explains: NO_RESOURCES,
  inject: async (session) => {
    writeFileSync(`${groupOf(session)}/pids.max`, String(MAX_PIDS));
    await postRun(session, (token) => runBody(token, PLAIN, { forks: MAX_PIDS }));
    await delay(300);
  },
  end: async (session) => {
    writeFileSync(`${groupOf(session)}/pids.max`, 'max');
    await session.terminate();
  },
};
