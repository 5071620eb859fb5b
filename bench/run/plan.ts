import { readFileSync } from 'node:fs';
import type { BenchCell, BenchLoad } from '../report/schema.js';
import type { ScenarioDefinition } from '../scenarios/definition.js';
import type { TargetDefinition } from '../targets/definition.js';
import type { FoundTarget } from '../targets/running.js';
import type { RunOptions } from './options.js';

/** Connections of an open loop at most: what waits beyond is due already. */
export const OPEN_CONNECTIONS = 512;
/** Of an overload: the target's own limits must be what is met, not the sender's. */
const OVERLOAD_CONNECTIONS = 8192;
/** Descriptors that are for something else than connections. */
const OTHER_FILES = 256;
/** Trials at a rate in one search. */
export const SEARCH_STEPS = 6;

/** Why a target has no number in a scenario. */
interface LeftOutTarget {
  readonly definition: TargetDefinition;
  readonly status: Extract<BenchCell['status'], 'absent' | 'unsupported'>;
  readonly reason: string;
}

/** One scenario, who takes part, and the loads. */
export interface Group {
  readonly scenario: ScenarioDefinition;
  readonly members: readonly FoundTarget[];
  readonly leftOut: readonly LeftOutTarget[];
  /** For an overload the rate is found for each target by itself: 0 here, and `factor` says how many times that. */
  readonly loads: readonly BenchLoad[];
}

/** All that will be done. */
export interface Plan {
  readonly groups: readonly Group[];
  readonly rounds: number;
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly generatorConnections: readonly number[];
  readonly proofSeconds: number;
  readonly estimateSeconds: number;
  /** How long repeated rounds may take in all. */
  readonly repeatSeconds: number;
}

/** How long the profiles may take by estimate; what disturbs comes on top. */
const BUDGET_SECONDS = { quick: 50, default: 480, full: Number.POSITIVE_INFINITY } as const;
const REPEAT_SECONDS = { quick: 4, default: 75, full: 1800 } as const;
/** [rounds, seconds], the best first. */
const EFFORTS = {
  quick: [
    [3, 1],
    [3, 0.8],
    [3, 0.6],
    [3, 0.4],
    [3, 0.3],
  ],
  default: [
    [7, 3],
    [5, 3],
    [5, 2],
    [5, 1.5],
    [5, 1],
    [5, 0.8],
    [4, 0.8],
    [3, 1],
  ],
  full: [[5, 2]],
} as const;

/** Decides who is measured in what, and how long, so that the profile's time suffices. */
export function makePlan(
  options: RunOptions,
  found: readonly FoundTarget[],
  absent: ReadonlyMap<TargetDefinition, string>,
): Plan {
  const groups = options.scenarios.map((scenario) => groupOf(scenario, options, found, absent));
  const efforts = EFFORTS[options.profile].map(([rounds, seconds]) => ({
    rounds: options.rounds ?? rounds,
    seconds: options.seconds ?? seconds,
  }));
  const plans = efforts.map((effort) => complete(groups, options, effort));
  const fitting = plans.find((plan) => plan.estimateSeconds <= BUDGET_SECONDS[options.profile]);
  const last = plans.at(-1);
  if (last === undefined) throw new RangeError('a profile without an effort');
  return fitting ?? last;
}

function complete(
  groups: readonly Group[],
  { profile, connections }: RunOptions,
  { rounds, seconds }: { rounds: number; seconds: number },
): Plan {
  const plan = {
    groups,
    rounds,
    seconds,
    warmUpSeconds: profile === 'quick' ? 0.3 : 1,
    generatorConnections: connections,
    proofSeconds: profile === 'quick' ? 1.4 : 4,
    repeatSeconds: REPEAT_SECONDS[profile],
  };
  const once = generatorSeconds(plan) + proofSeconds(plan);
  const estimateSeconds = groups.reduce((sum, group) => sum + groupSeconds(group, plan), once);
  return { ...plan, estimateSeconds };
}

/** Rounds and seconds of the generator's ceiling; wrk takes whole seconds. */
export function generatorEffort({ seconds }: Pick<Plan, 'seconds'>): { rounds: number; seconds: number } {
  return { rounds: seconds < 1 ? 1 : 2, seconds: Math.min(1, seconds) };
}

/** How long the generator's ceiling takes, wrk's turns included. */
export function generatorSeconds(plan: Pick<Plan, 'seconds' | 'generatorConnections'>): number {
  const { rounds, seconds } = generatorEffort(plan);
  return 0.5 + plan.generatorConnections.length * rounds * (seconds + 0.4 + 1.1);
}

/** How long the proof on omission takes. */
export function proofSeconds({ proofSeconds: each }: Pick<Plan, 'proofSeconds'>): number {
  return 2 * each + 0.7;
}

/** How long a member is warmed up before a load, and looked at whether it is right. */
export function warmUpSeconds({ warmUpSeconds: seconds }: Pick<Plan, 'warmUpSeconds'>): number {
  return seconds + 0.3;
}

/** Of a round beside its load: connections, samplers, a look at whether all is quiet. */
const ROUND_OVERHEAD_SECONDS = 0.4;
const START_SECONDS = 0.3;

/** How long a load of the scenario is applied. */
export function loadSeconds({ scenario }: Group, { seconds }: Pick<Plan, 'seconds'>): number {
  return Math.max(scenario.leastSeconds ?? 0, seconds);
}

/** How long a load of the scenario is applied before it counts: an overload's queues have to fill. */
export function discardedSeconds({ load: of }: ScenarioDefinition, load: BenchLoad): number {
  const isOver = of.kind === 'overload' && load.kind === 'open' && (load.factor ?? 0) > 1;
  return isOver ? of.warmUpSeconds : 0;
}

/** How long one round of one member takes. */
export function roundSeconds(load: BenchLoad, { seconds }: Pick<Plan, 'seconds'>): number {
  if (load.kind === 'cold') return 0.7;
  if (load.kind === 'init') return 2;
  if (load.kind === 'capacity') return searchSeconds({ seconds });
  return seconds + ROUND_OVERHEAD_SECONDS;
}

/** How long a search takes. */
function searchSeconds(plan: Pick<Plan, 'seconds'>): number {
  return SEARCH_STEPS * (trialSeconds(plan) + 0.5);
}

/** How long a rate is tried. */
export function trialSeconds({ seconds }: Pick<Plan, 'seconds'>): number {
  return Math.max(0.5, Math.min(2, seconds / 2));
}

/** How often a load is measured: a search is many measurements already. */
export function roundsOf(load: BenchLoad, { rounds }: Pick<Plan, 'rounds'>): number {
  return load.kind === 'capacity' ? Math.min(3, rounds) : rounds;
}

function groupSeconds(group: Group, plan: Omit<Plan, 'estimateSeconds'>): number {
  const each = group.loads.reduce((sum, load) => {
    const warm =
      load.kind === 'cold' ? roundSeconds(load, plan) : load.kind === 'init' ? 0 : warmUpSeconds(plan);
    const round =
      roundSeconds(load, { seconds: loadSeconds(group, plan) }) + discardedSeconds(group.scenario, load);
    return sum + warm + roundsOf(load, plan) * round;
  }, 0);
  // The start of a server is part of its first warm-up.
  const starts = group.loads.some(({ kind }) => kind === 'cold' || kind === 'init') ? 0 : START_SECONDS;
  const search = group.scenario.load.kind === 'overload' ? searchSeconds(plan) : 0;
  return (each + starts + search) * group.members.length;
}

function groupOf(
  scenario: ScenarioDefinition,
  options: RunOptions,
  found: readonly FoundTarget[],
  absent: ReadonlyMap<TargetDefinition, string>,
): Group {
  const missing = scenario.missing?.();
  const members: FoundTarget[] = [];
  const leftOut: LeftOutTarget[] = [];
  for (const target of found) {
    const reason = missing ?? unsupported(scenario, target);
    if (reason === undefined) members.push(target);
    else leftOut.push({ definition: target.definition, status: 'unsupported', reason });
  }
  for (const [definition, reason] of absent) leftOut.push({ definition, status: 'absent', reason });
  return { scenario, members, leftOut, loads: loadsOf(scenario, options) };
}

function loadsOf({ load }: ScenarioDefinition, options: RunOptions): BenchLoad[] {
  switch (load.kind) {
    case 'closed':
      return (load.connections ?? options.connections).map((connections) => ({
        kind: 'closed',
        connections,
      }));
    case 'open':
      return load.ratesPerSecond.map((ratePerSecond) => ({
        kind: 'open',
        connections: OPEN_CONNECTIONS,
        ratePerSecond,
      }));
    case 'capacity':
      return [{ kind: 'capacity', connections: OPEN_CONNECTIONS, p99LimitUs: options.p99LimitUs }];
    case 'overload':
      return load.factors.map((factor) => ({
        kind: 'open',
        connections: overloadConnections(),
        ratePerSecond: 0,
        factor,
      }));
    case 'cold':
    case 'init':
      return [{ kind: load.kind }];
  }
}

function overloadConnections(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? OVERLOAD_CONNECTIONS);
  return Math.max(1, Math.min(OVERLOAD_CONNECTIONS, files - OTHER_FILES));
}

/** Why the target can't do the scenario; undefined when it can. */
function unsupported(
  scenario: ScenarioDefinition,
  { definition, presence }: FoundTarget,
): string | undefined {
  const { load } = scenario;
  if (definition.reference) {
    if (scenario.references !== true || load.kind !== 'closed') return 'a reference: it can only say hello';
    return undefined;
  }
  const { protocol } = definition;
  if ((protocol !== 'classic' && protocol !== 'actionloop') || !scenario.protocols.includes(protocol)) {
    return `the scenario is not for the ${protocol} protocol`;
  }
  const starts = presence.start !== undefined;
  if ((load.kind === 'cold' || load.kind === 'init') && !starts) return 'it is not started by the harness';
  if (load.kind === 'init' && definition.init !== 'post') return 'it has no /init';
  if (scenario.writesLogs === true && definition.stdoutIsAnswer === true) {
    return 'all of its stdout is the answer: an action can not log there';
  }
  return undefined;
}
