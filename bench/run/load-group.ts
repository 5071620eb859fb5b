import type { BenchLoad } from '../report/schema.js';
import { CellBuilder } from './cells.js';
import { SpawnLoopMember } from './loop-member.js';
import { Member, reasonOf, wrongAnswers } from './member.js';
import { capacityOf, relateToCalm, timesCapacity, toleratedErrors } from './overload.js';
import { discardedSeconds, type Group, loadSeconds, roundSeconds, roundsOf, warmUpSeconds } from './plan.js';
import { measureRound, type Outcome } from './round.js';
import { searchRate } from './search.js';
import type { Session } from './session.js';

/** Nearer to the generator's ceiling than this, it is the generator that is measured. */
const CEILING_SHARE = 0.8;
/** Above, the generator's thread had no time left. */
const BUSY_SHARE = 0.95;

type AnyMember = Member | SpawnLoopMember;

interface Entry {
  readonly member: AnyMember;
  readonly cell: CellBuilder;
}

/** What was found of each member in this scenario: kept from load to load. */
type Capacities = Map<string, number>;

/**
 * Measures one scenario on running servers: all members are started, then each load is applied to one after the
 * other, round by round, so that what changes on the machine meets all of them alike.
 */
export async function runLoadGroup(session: Session, group: Group, cells: CellBuilder[]): Promise<void> {
  const { scenario } = group;
  const entries = group.members.map((target) => ({
    member:
      target.definition.protocol === 'none'
        ? new SpawnLoopMember(session, target)
        : new Member(session, scenario, target),
    cells: group.loads.map((load) => {
      const cell = new CellBuilder(target.definition.id, scenario.id, load, roundsOf(load, session.plan));
      cells.push(cell);
      return cell;
    }),
  }));
  const capacities: Capacities = new Map();
  try {
    for (const [index, load] of group.loads.entries()) {
      const here = entries.flatMap(({ member, cells: own }) => {
        const cell = own[index];
        return cell === undefined ? [] : [{ member, cell }];
      });
      await runLoad(session, group, load, here, capacities);
    }
  } finally {
    for (const { cells: own } of entries) relateToCalm(own);
    await Promise.all(entries.map(({ member }) => member.stop()));
  }
}

async function runLoad(
  session: Session,
  group: Group,
  load: BenchLoad,
  entries: readonly Entry[],
  capacities: Capacities,
): Promise<void> {
  for (const entry of entries) await prepare(session, group, entry, capacities);
  const seconds =
    roundSeconds(load, { seconds: loadSeconds(group, session.plan) }) +
    discardedSeconds(group.scenario, load);
  for (let round = 1; round <= roundsOf(load, session.plan); round++) {
    for (const { member, cell } of entries) {
      session.check();
      if (cell.hasFailed) {
        session.view.skip(seconds);
        continue;
      }
      session.view.begin({
        scenario: group.scenario.id,
        target: member.id,
        load: describeLoad(cell.load),
        round: `round ${round}/${roundsOf(load, session.plan)}`,
      });
      await measure(session, group, { member, cell });
      session.view.end(describeCell(cell), seconds);
    }
  }
}

/** Starts what does not run and warms it up; an overload looks for its rate. */
async function prepare(
  session: Session,
  { scenario }: Group,
  { member, cell }: Entry,
  capacities: Capacities,
): Promise<void> {
  session.check();
  session.view.begin({
    scenario: scenario.id,
    target: member.id,
    load: describeLoad(cell.load),
    round: 'warm-up',
  });
  try {
    await member.start();
    const connections = cell.load.kind === 'closed' ? cell.load.connections : 16;
    const warm: BenchLoad = { kind: 'closed', connections };
    if (member instanceof Member) {
      const outcome = await member.apply(warm, session.plan.warmUpSeconds);
      const wrong = wrongAnswers({ ...outcome, requests: Math.max(1, outcome.requests) });
      if (wrong !== undefined) throw new Error(wrong);
      await member.settle();
      if (scenario.load.kind === 'overload') {
        const capacity = capacities.get(member.id) ?? (await capacityOf(session, member));
        capacities.set(member.id, capacity);
        cell.load = timesCapacity(cell.load, capacity);
      }
    }
    session.view.end('ready', warmUpSeconds(session.plan));
  } catch (error) {
    cell.fail(reasonOf(error));
    session.view.end(describeCell(cell), warmUpSeconds(session.plan));
    await member.stop();
  }
}

async function measure(session: Session, group: Group, { member, cell }: Entry): Promise<void> {
  try {
    const { round, outcome } = await measureRound(session, member, () =>
      applyOnce(session, group, member, cell),
    );
    const wrong = wrongAnswers(
      { ...outcome, requests: cell.load.kind === 'capacity' ? 1 : outcome.requests },
      toleratedErrors(cell.load),
    );
    cell.add(round, isBoundByGenerator(session, cell.load, outcome));
    if (wrong !== undefined) throw new Error(wrong);
    await member.settle();
  } catch (error) {
    cell.fail(reasonOf(error));
    await member.stop();
  }
}

async function applyOnce(
  session: Session,
  group: Group,
  member: AnyMember,
  cell: CellBuilder,
): Promise<Outcome> {
  const { load } = cell;
  if (load.kind === 'capacity' && member instanceof Member) {
    const previous = cell.rounds.at(-1)?.ratePerSecond;
    return searchRate(session, member, { p99LimitUs: load.p99LimitUs, previous });
  }
  return member.apply(load, loadSeconds(group, session.plan));
}

function isBoundByGenerator({ ceilings }: Session, load: BenchLoad, outcome: Outcome): boolean {
  if ((outcome.busyShare ?? 0) >= BUSY_SHARE) return true;
  if (load.kind !== 'closed' || outcome.busyShare === undefined) return false;
  const known = [...ceilings.keys()].sort((a, b) => a - b);
  const nearest = known.filter((connections) => connections <= load.connections).at(-1) ?? known[0];
  const ceiling = nearest === undefined ? undefined : ceilings.get(nearest);
  return ceiling !== undefined && outcome.ratePerSecond >= CEILING_SHARE * ceiling;
}

/** As `32 connections` or `500/s`. */
export function describeLoad(load: BenchLoad): string {
  switch (load.kind) {
    case 'closed':
      return load.connections === 1 ? '1 connection' : `${load.connections} connections`;
    case 'open':
      return load.factor === undefined ? `${load.ratePerSecond}/s` : `${load.factor} × capacity`;
    case 'capacity':
      return `p99 under ${load.p99LimitUs / 1000} ms`;
    case 'cold':
      return 'cold';
    case 'init':
      return 'init';
  }
}

/** What the last round found, for the plain lines. */
function describeCell(cell: CellBuilder): string {
  const { status, reason } = cell.build();
  if (status === 'failed') return `failed: ${reason}`;
  const round = cell.rounds.at(-1);
  if (round === undefined) return 'nothing';
  const p50 = round.latency === undefined ? '' : `, p50 ${(round.latency.p50Us / 1000).toFixed(2)} ms`;
  return `${round.ratePerSecond.toFixed(0)}/s${p50}`;
}
