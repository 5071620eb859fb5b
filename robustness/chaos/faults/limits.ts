import { execFile } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openFiles } from '../../../bench/support/processes.js';
import type { Session } from '../../check/session.js';
import { postRun } from '../../load/one-run.js';
import { PLAIN, runBody } from '../../load/request.js';
import { below } from '../../support/random.js';
import { type Fault, needsRoot } from '../fault.js';

const execute = promisify(execFile);
const CGROUPS = '/sys/fs/cgroup/pids';
const NO_RESOURCES = [
  'run_no_resources',
  'overloaded',
  'loop_not_restarted',
  'loop_exited',
  'run_killed',
] as const;

/** The limit on open files falls to what is open, and a little: EMFILE everywhere. */
export const fewDescriptors: Fault = {
  name: 'few-descriptors',
  // The server moves its soft limit itself; a hard limit can be raised again by root only.
  obstacle: needsRoot,
  explains: NO_RESOURCES,
  mayDrop: true,
  isInexact: true,
  inject: async (session, random) => {
    const { pid } = session.subject;
    const limits = readFileSync(`/proc/${pid}/limits`, 'latin1');
    const [, soft, hard] = /^Max open files\s+(\d+)\s+(\d+)/m.exec(limits) ?? [];
    const limit = openFiles(pid) + below(random, 8);
    await execute('prlimit', [`--pid=${pid}`, `--nofile=${limit}:${limit}`]);
    await delay(100 + below(random, 400));
    await execute('prlimit', [`--pid=${pid}`, `--nofile=${soft}:${hard}`]);
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
  obstacle: needsGroups,
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
  obstacle: needsGroups,
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
