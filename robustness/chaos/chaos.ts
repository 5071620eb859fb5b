import { setTimeout as delay } from 'node:timers/promises';
import { Session } from '../check/session.js';
import { quickWork } from '../load/request.js';
import { TokenClients, worksFrom } from '../load/token-clients.js';
import { below, randomFor } from '../support/random.js';
import type { Tool, ToolContext } from '../tool.js';
import type { Cell, Fault } from './fault.js';
import { connectionsDropped } from './faults/connections.js';
import { fullDisk } from './faults/disk.js';
import { serverFrozen } from './faults/freeze.js';
import { killAll } from './faults/kill-all.js';
import { fewDescriptors, fewProcesses, forkBomb } from './faults/limits.js';
import { logReaderGone, slowLogReader, stuckLogReader } from './faults/logs.js';
import { runKilled, runStopped, templateKilled, templateStopped } from './faults/processes.js';
import { sigterm } from './faults/sigterm.js';
import { workerLost } from './faults/worker.js';

export const FAULTS: readonly Fault[] = [
  sigterm,
  templateKilled,
  workerLost,
  fewDescriptors,
  stuckLogReader,
  runKilled,
  serverFrozen,
  fewProcesses,
  logReaderGone,
  connectionsDropped,
  templateStopped,
  fullDisk,
  killAll,
  slowLogReader,
  forkBomb,
  runStopped,
];

const CLIENTS = 6;
const ROUND_MS = 2500;
const MAX_PAUSE_MS = 150;
const RECOVERY_MS = 15_000;

/** Faults, one kind in each round with a server of its own, while clients with tokens use it. */
export const chaos: Tool = {
  name: 'chaos',
  parts: FAULTS.map(({ name }) => name),
  async run(context) {
    const { protocols, engines } = context.options;
    const wanted = FAULTS.filter(({ name }) => context.wants(name));
    // A short run does not come to all of them: which it begins with is the seed's choice.
    const first = context.seed % wanted.length;
    const faults = [...wanted.slice(first), ...wanted.slice(0, first)];
    // Each pass takes every fault once, in turn with another protocol and engine.
    for (let pass = 0; ; pass++) {
      let hasRun = false;
      for (const [at, fault] of faults.entries()) {
        if (context.isOver()) return;
        const cells = protocols.flatMap((protocol) => engines.map((engine) => ({ protocol, engine })));
        const fitting = cells.filter((cell) => fault.unavailableReason?.(cell) === undefined);
        const cell = fitting[(pass + at + context.seed) % fitting.length];
        if (cell === undefined) continue;
        hasRun = true;
        await round(context, fault, cell, pass);
      }
      if (!hasRun) return;
    }
  },
};

async function round(context: ToolContext, fault: Fault, cell: Cell, pass: number): Promise<void> {
  const random = randomFor(context.seed, 'chaos', fault.name, pass);
  const session = await Session.start(context, { ...cell, ...fault.launch }, { fault: fault.name });
  try {
    await session.initialise();
    await session.runAlone(2);
    session.isInexact = fault.isInexact ?? false;
    session.mayDrop = fault.mayDrop ?? false;
    for (const cause of fault.explains ?? []) session.explained.add(cause);
    await injectAmidLoad(context, session, fault, random);
    await recovered(session);
    await session.settle();
    if (fault.end === undefined) await session.terminate();
    else await fault.end(session, random);
    await session.settle();
  } finally {
    await context.finish(session);
  }
  context.summary.round(`${fault.name} ${cell.protocol} ${cell.engine}`);
}

async function injectAmidLoad(
  context: ToolContext,
  session: Session,
  fault: Fault,
  random: () => number,
): Promise<void> {
  const clients = new TokenClients(session, worksFrom(random, quickWork)).start(CLIENTS);
  const marks = setInterval(() => session.takeMarks(), MAX_PAUSE_MS);
  const endMs = performance.now() + ROUND_MS;
  while (performance.now() < endMs && !context.isOver() && !session.subject.hasEnded) {
    await delay(below(random, MAX_PAUSE_MS));
    await fault.inject(session, random);
    context.summary.fault(fault.name);
  }
  await clients.stop();
  clearInterval(marks);
}

/** After the last fault the server must soon serve as before. */
async function recovered(session: Session): Promise<void> {
  const endMs = performance.now() + RECOVERY_MS;
  for (let inRow = 0; inRow < 3; ) {
    if (session.subject.hasEnded) return;
    if (performance.now() > endMs) {
      session.report(
        'no-recovery',
        `no three activations in a row succeed ${RECOVERY_MS} ms after the last fault`,
      );
      return;
    }
    const clients = new TokenClients(
      session,
      worksFrom(() => 0.99, quickWork),
    ).start(1);
    await delay(20);
    await clients.stop();
    inRow = clients.failed === 0 && clients.succeeded > 0 ? inRow + 1 : 0;
  }
  await session.runAlone(2);
}
