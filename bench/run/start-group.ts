import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import type { TreeReport, TreeTask } from '../measure/tree-thread.js';
import { initBody } from '../support/archive.js';
import { TICKS_PER_SECOND, treePssBytes, treeTicks } from '../support/processes.js';
import { Sampler } from '../support/sampler.js';
import { type FoundTarget, RunningTarget } from '../targets/running.js';
import { CellBuilder } from './cells.js';
import { askOnce, initialise, programOf, reasonOf } from './member.js';
import { type Group, roundSeconds, roundsOf } from './plan.js';
import { measureRound, type Outcome, type Watch } from './round.js';
import type { Session } from './session.js';

const MEMORY_LOOKS = 4;
const POLL_INTERVAL_MS = 100;
const INIT_SAMPLE_MS = 20;

interface Entry {
  readonly target: FoundTarget;
  readonly cell: CellBuilder;
  readonly program: string;
  readonly body: string;
}

/** Measures what needs a new server each time: cold starts and inits, in turn. */
export async function runStartGroup(session: Session, group: Group, cells: CellBuilder[]): Promise<void> {
  const { scenario } = group;
  const [load] = group.loads;
  if (load === undefined) return;
  const padding = scenario.load.kind === 'init' ? randomBytes(scenario.load.paddingBytes) : Buffer.alloc(0);
  const bodies = new Map<string, string>();
  const entries: Entry[] = [];
  for (const target of group.members) {
    const program = await programOf(session, scenario, target);
    const body = bodies.get(program) ?? (await bodyOf(program, padding));
    bodies.set(program, body);
    const rounds = roundsOf(load, session.plan);
    const cell = new CellBuilder(target.definition.id, scenario.id, load, rounds);
    cells.push(cell);
    entries.push({ target, cell, program, body });
  }
  // Round 0 does not count: it reads files from the disk.
  for (let round = load.kind === 'cold' ? 0 : 1; round <= roundsOf(load, session.plan); round++) {
    for (const entry of entries) {
      session.check();
      if (entry.cell.hasFailed) {
        session.view.skip(roundSeconds(load, session.plan));
        continue;
      }
      const name = round === 0 ? 'first start' : `round ${round}/${roundsOf(load, session.plan)}`;
      session.view.begin({ scenario: scenario.id, target: entry.cell.targetId, load: '', round: name });
      const outcome = await measureEntry(session, group, entry, round > 0);
      session.view.end(outcome, roundSeconds(load, session.plan));
    }
  }
}

async function bodyOf(program: string, padding: Buffer): Promise<string> {
  const exec = await readFile(program);
  return initBody(padding.length === 0 ? { exec } : { exec, 'padding.bin': padding });
}

/** Measures one entry once, and says for the view what came of it. */
async function measureEntry(session: Session, group: Group, entry: Entry, counts: boolean): Promise<string> {
  const work = entry.cell.load.kind === 'cold' ? startOnce : initOnce;
  try {
    const { round } = await measureRound(session, UNSEEN, () => withServer(session, entry, group, work));
    if (counts) entry.cell.add(round, false);
    return Object.entries(round.marksMs ?? {})
      .map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`)
      .join(', ');
  } catch (error) {
    const reason = reasonOf(error);
    entry.cell.fail(reason);
    return `failed: ${reason}`;
  }
}

/** The server only comes with the load: it is watched from inside. */
const UNSEEN: Watch = { pid: () => undefined };

type Work = (running: RunningTarget, group: Group, entry: Entry) => Promise<Outcome>;

async function withServer(session: Session, entry: Entry, group: Group, work: Work): Promise<Outcome> {
  const running = await RunningTarget.launch(entry.target, session.folder, entry.program);
  const unwatch = session.watch(running);
  try {
    return await work(running, group, entry);
  } finally {
    await running.stop();
    unwatch();
  }
}

/** From the start of the process to the first answer, then the memory. */
async function startOnce(running: RunningTarget, { scenario }: Group, entry: Entry): Promise<Outcome> {
  const since = (): number => performance.now() - running.launchedMs;
  await running.listening();
  const marksMs: Record<string, number> = { listen: since() };
  if (entry.target.definition.init === 'post') {
    await initialise(running, entry.body);
    marksMs.init = since();
  }
  await askOnce(running, scenario);
  const firstAnswer = since();
  marksMs.firstAnswer = firstAnswer;
  const pid = running.pid ?? 0;
  const cpuSeconds = treeTicks(pid) / TICKS_PER_SECOND;
  const memory: [number, number][] = [];
  for (let look = 0; look < MEMORY_LOOKS; look++) {
    await delay(POLL_INTERVAL_MS);
    memory.push([since(), treePssBytes(pid)]);
  }
  return outcomeOf(firstAnswer, { marksMs, cpuSeconds, memory });
}

/** How long POST /init takes on a server that is up, and the most memory meanwhile. */
async function initOnce(running: RunningTarget, { scenario }: Group, entry: Entry): Promise<Outcome> {
  await running.listening();
  const pid = running.pid ?? 0;
  const task: TreeTask = { pid, everyMs: INIT_SAMPLE_MS };
  const sampler = await Sampler.start<TreeReport>(
    new URL('../measure/tree-thread.js', import.meta.url),
    task,
  );
  try {
    const ticksBefore = treeTicks(pid);
    const begin = performance.now();
    await initialise(running, entry.body);
    const init = performance.now() - begin;
    const cpuSeconds = (treeTicks(pid) - ticksBefore) / TICKS_PER_SECOND;
    await askOnce(running, scenario);
    const { memory } = await sampler.stop();
    return outcomeOf(init, { marksMs: { init }, cpuSeconds, memory });
  } finally {
    await sampler.end();
  }
}

function outcomeOf(ms: number, facts: Pick<Outcome, 'marksMs' | 'cpuSeconds' | 'memory'>): Outcome {
  return { seconds: ms / 1000, requests: 1, activations: 1, ratePerSecond: 1000 / ms, errors: {}, ...facts };
}
