import { messageOf } from '../../src/protocol/message-of.js';
import { Calibration } from '../measure/calibration.js';
import type { BenchCell, BenchReport, BenchTarget } from '../report/schema.js';
import { temporaryFolder } from '../support/cleanup.js';
import { buildPrograms } from '../support/programs.js';
import type { Presence, TargetDefinition } from '../targets/definition.js';
import type { FoundTarget } from '../targets/running.js';
import type { CellBuilder } from './cells.js';
import { compareCells } from './comparisons.js';
import { measureGenerator } from './generator.js';
import { runLoadGroup } from './load-group.js';
import { describeMachine } from './machine.js';
import { reasonOf } from './member.js';
import { proveOmission } from './omission.js';
import type { RunOptions } from './options.js';
import { type Group, generatorSeconds, makePlan, type Plan, proofSeconds } from './plan.js';
import { isDisturbed } from './round.js';
import { Interrupted, Session } from './session.js';
import { runStartGroup } from './start-group.js';
import { duration, View } from './view.js';

/** What stands in for a baseline that was not named or has no number: the peers, then our own. */
const BASELINES = [
  'dockerskeleton',
  'openwhisk-runtime-go',
  'hyperskeleton-auto',
  'hyperskeleton-actionloop',
];

/**
 * Measures what the options ask for. An interruption ends it early; what was measured until then is in the report.
 *
 * @throws Error when nothing can be measured: no compiler, a baseline that is not here
 */
export async function runBench(options: RunOptions, signal: AbortSignal): Promise<BenchReport> {
  const startedAt = new Date().toISOString();
  const presences = new Map<TargetDefinition, Presence>();
  for (const target of options.targets) presences.set(target, await findTarget(target));
  const found: FoundTarget[] = [];
  const absent = new Map<TargetDefinition, string>();
  for (const [definition, presence] of presences) {
    if (presence.present) found.push({ definition, presence });
    else absent.set(definition, presence.reason);
  }
  if (found.length === 0) throw new Error(`no target is here: ${[...absent.values()].join('; ')}`);
  const { baseline } = options;
  const missing = [...absent].find(([{ id }]) => id === baseline);
  if (missing !== undefined) throw new Error(`the baseline ${baseline} is not here: ${missing[1]}`);
  const plan = makePlan(options, found, absent);
  const view = new View(plan.estimateSeconds);
  for (const [{ id }, reason] of absent) view.note(`absent: ${id}: ${reason}`);
  const size = `${found.length} targets, ${plan.groups.length} scenarios, ${plan.rounds} rounds of ${plan.seconds} s`;
  view.note(`${size}: about ${duration(plan.estimateSeconds)}`);
  const folder = temporaryFolder();
  const session = new Session({
    plan,
    signal,
    view,
    folder,
    calibration: new Calibration(),
    programs: await buildPrograms(folder),
  });
  const cells: CellBuilder[] = [];
  const failures = new Map<string, string>();
  const extras: Pick<BenchReport, 'generator' | 'omissionProof'> = {};
  let interrupted = false;
  try {
    await measureExtras(session, extras);
    for (const group of plan.groups) await runGroup(session, group, cells, failures);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    interrupted = true;
    view.note('interrupted: the report has what was measured until now');
  } finally {
    view.close();
  }
  const allCells = [...cells.map((cell) => cell.build()), ...cellsWithout(plan, cells, failures)];
  const rounds = allCells.flatMap((cell) => cell.rounds);
  const baselineId = baseline ?? BASELINES.find((id) => found.some(({ definition }) => definition.id === id));
  const order = [
    ...(baselineId === undefined ? [] : [baselineId]),
    ...BASELINES,
    ...found.map(({ definition }) => definition.id),
  ];
  return {
    schema: 'hyperskeleton-bench/1',
    startedAt,
    finishedAt: new Date().toISOString(),
    interrupted,
    profile: options.profile,
    commandLine: [...options.commandLine],
    ...(baselineId === undefined ? {} : { baselineId }),
    machine: describeMachine(),
    noise: {
      ...session.calibration.report(),
      repeatedRounds: rounds.filter(({ repeated }) => repeated > 0).length,
      disturbedRounds: rounds.filter(isDisturbed).length,
    },
    ...extras,
    targets: [...presences].map(([definition, presence]) => describeTarget(definition, presence)),
    scenarios: options.scenarios.map(({ id, title, description }) => ({ id, title, description })),
    cells: allCells,
    comparisons: compareCells(allCells, [...new Set(order)]),
  };
}

async function findTarget(target: TargetDefinition): Promise<Presence> {
  try {
    return await target.find();
  } catch (error) {
    return { present: false, reason: messageOf(error) };
  }
}

/** The generator's ceiling and the proof come first: without them the rest can't be judged. */
async function measureExtras(
  session: Session,
  extras: Pick<BenchReport, 'generator' | 'omissionProof'>,
): Promise<void> {
  const attempt = async (name: string, seconds: number, work: () => Promise<string>): Promise<void> => {
    session.check();
    session.view.begin({ scenario: name, target: '', load: '', round: '' });
    try {
      session.view.end(await work(), seconds);
    } catch (error) {
      if (error instanceof Interrupted) throw error;
      session.check();
      session.view.note(`${name}: ${messageOf(error)}`);
    }
  };
  await attempt("the load generator's ceiling", generatorSeconds(session.plan), async () => {
    extras.generator = await measureGenerator(session);
    return extras.generator.ceilings
      .map(({ connections, ratePerSecond }) => `${ratePerSecond.median.toFixed(0)}/s at ${connections}`)
      .join(', ');
  });
  await attempt('the proof on omission', proofSeconds(session.plan), async () => {
    const proof = await proveOmission(session.plan.proofSeconds, session.signal);
    session.check();
    extras.omissionProof = proof;
    const ms = (us: number): string => (us / 1000).toFixed(1);
    return `p99 ${ms(proof.naive.p99Us)} ms by a closed loop, ${ms(proof.fromDue.p99Us)} ms from when due`;
  });
}

/** Measures a scenario; whatever goes wrong with one must not lose what the others found. */
async function runGroup(
  session: Session,
  group: Group,
  cells: CellBuilder[],
  failures: Map<string, string>,
): Promise<void> {
  const [load] = group.loads;
  const startsServers = load?.kind === 'cold' || load?.kind === 'init';
  const own: CellBuilder[] = [];
  try {
    await (startsServers ? runStartGroup(session, group, own) : runLoadGroup(session, group, own));
  } catch (error) {
    const reason = reasonOf(error);
    session.view.note(`${group.scenario.id}: ${reason}`);
    failures.set(group.scenario.id, reason);
    for (const cell of own) if (!cell.isComplete) cell.fail(reason);
  } finally {
    cells.push(...own);
  }
}

function unbegun(failure: string | undefined): Pick<BenchCell, 'status' | 'reason'> {
  return failure === undefined
    ? { status: 'interrupted', reason: 'the run was interrupted before it' }
    : { status: 'failed', reason: failure };
}

/** Cells of those who took no part, and of groups that an interruption left out. */
function cellsWithout(
  { groups }: Plan,
  cells: readonly CellBuilder[],
  failures: ReadonlyMap<string, string>,
): BenchCell[] {
  return groups.flatMap(({ scenario, members, leftOut, loads }) =>
    loads.flatMap((load): BenchCell[] => {
      const common = { scenarioId: scenario.id, load, rounds: [] };
      const begun = (id: string): boolean =>
        cells.some((cell) => cell.scenarioId === scenario.id && cell.targetId === id);
      return [
        ...leftOut.map(({ definition, status, reason }) => ({
          ...common,
          targetId: definition.id,
          status,
          reason,
        })),
        ...members
          .filter(({ definition }) => !begun(definition.id))
          .map(({ definition }) => ({
            ...common,
            targetId: definition.id,
            ...unbegun(failures.get(scenario.id)),
          })),
      ];
    }),
  );
}

function describeTarget(definition: TargetDefinition, presence: Presence): BenchTarget {
  const { id, title, description, protocol, engine, reference, concurrency, url } = definition;
  const version = presence.present ? presence.version : undefined;
  return {
    id,
    title,
    description,
    protocol,
    ...(engine === undefined ? {} : { engine }),
    ...(version === undefined ? {} : { version }),
    ...(presence.present && presence.command !== undefined ? { command: [...presence.command] } : {}),
    ...(url === undefined ? {} : { url }),
    present: presence.present,
    ...(presence.present ? {} : { absentReason: presence.reason }),
    reference,
    ...(concurrency === undefined ? {} : { concurrency }),
  };
}
