import { collect } from './collect.js';
import { countOf, loadKey } from './format.js';
import type {
  BenchCell,
  BenchComparison,
  BenchLoad,
  BenchReport,
  BenchScenario,
  BenchTarget,
} from './schema.js';

/** What one target did in a group. */
export interface Entry {
  readonly target: BenchTarget;
  readonly cell: BenchCell;
}

/** The cells of one scenario under one load: what is compared side by side. */
export interface Group {
  readonly key: string;
  readonly scenario: BenchScenario;
  readonly load: BenchLoad;
  readonly entries: readonly Entry[];
  readonly comparisons: readonly BenchComparison[];
}

/** The parts of a report, in the order in which they are read. */
export type PartKind = 'one' | 'many' | 'open' | 'capacity' | 'cold' | 'init';

/** Groups that are judged together. */
export interface Part {
  readonly kind: PartKind;
  readonly groups: readonly Group[];
}

const PART_ORDER: readonly PartKind[] = ['one', 'many', 'open', 'capacity', 'cold', 'init'];

/** Closed loops of one connection are apart from those of many: see `partNote`. */
export function partOf(load: BenchLoad): PartKind {
  if (load.kind !== 'closed') return load.kind;
  return load.connections === 1 ? 'one' : 'many';
}

/** The target of that id; one that the report does not describe has its id for a title. */
export function targetOf(report: BenchReport, id: string): BenchTarget {
  return (
    report.targets.find((target) => target.id === id) ?? {
      id,
      title: id,
      description: '',
      protocol: 'none',
      present: true,
      reference: false,
    }
  );
}

function scenarioOf(report: BenchReport, id: string): BenchScenario {
  return report.scenarios.find((scenario) => scenario.id === id) ?? { id, title: id, description: '' };
}

/** Puts what is named in `order` first, in that order. */
function rank<T>(order: readonly T[], item: T): number {
  const index = order.indexOf(item);
  return index < 0 ? order.length : index;
}

const connectionsOf = (load: BenchLoad): number => ('connections' in load ? load.connections : 0);

/** The report's cells by scenario and load: scenarios and targets in the report's order, loads by connections. */
export function groupsOf(report: BenchReport): Group[] {
  const byKey = collect(report.cells, (cell) => groupKey(cell.scenarioId, cell.load));
  const targets = report.targets.map(({ id }) => id);
  const scenarios = report.scenarios.map(({ id }) => id);
  const groups = [...byKey].flatMap(([key, cells]): Group[] => {
    const [first] = cells;
    if (first === undefined) return [];
    const entries = cells
      .map((cell) => ({ target: targetOf(report, cell.targetId), cell }))
      .sort((a, b) => rank(targets, a.target.id) - rank(targets, b.target.id));
    return [
      {
        key,
        scenario: scenarioOf(report, first.scenarioId),
        load: first.load,
        entries,
        comparisons: report.comparisons.filter((one) => groupKey(one.scenarioId, one.load) === key),
      },
    ];
  });
  return groups.sort(
    (a, b) =>
      rank(scenarios, a.scenario.id) - rank(scenarios, b.scenario.id) ||
      connectionsOf(a.load) - connectionsOf(b.load) ||
      a.key.localeCompare(b.key, 'en', { numeric: true }),
  );
}

/** `5 rounds`: the most that a target of the group had. */
export const roundsOf = ({ entries }: Group): string =>
  countOf(Math.max(0, ...entries.map(({ cell }) => cell.rounds.length)), 'round');

/** Names a scenario under a load. */
export const groupKey = (scenarioId: string, load: BenchLoad): string => `${scenarioId}/${loadKey(load)}`;

/** The report's groups by part; parts without any are left out. */
export function partsOf(report: BenchReport): Part[] {
  const groups = groupsOf(report);
  return PART_ORDER.map((kind) => ({
    kind,
    groups: groups.filter(({ load }) => partOf(load) === kind),
  })).filter((part) => part.groups.length > 0);
}

/** The heading of a part. */
export const PART_TITLES: Record<PartKind, string> = {
  one: 'One connection: one activation at a time',
  many: 'Many connections at once',
  open: 'At a fixed rate: latency from when a request was due',
  capacity: 'Capacity: the highest rate that keeps its promise',
  cold: 'Cold start',
  init: 'Init',
};

/** Why a part is there and how it is to be read. */
export function partNote(report: BenchReport, kind: PartKind): string {
  const serial = report.targets.filter(({ concurrency, reference }) => concurrency === 1 && !reference);
  const names = serial.map(({ title }) => title).join(' and ');
  switch (kind) {
    case 'one':
      return 'Each connection sends its next request as soon as it has its answer. With a single one, every target is asked for what it can do: this is the fair comparison. Connections are kept unless the scenario says otherwise.';
    case 'many': {
      const why =
        serial.length === 0
          ? ''
          : ` Apart from the comparison above, because ${names} serve${serial.length === 1 ? 's' : ''} one activation at a time: with more connections the others wait in its queue, and the latency grows with their number.`;
      return `Each connection sends its next request as soon as it has its answer.${why}`;
    }
    case 'open':
      return 'Requests are due at a fixed rate, whether or not earlier ones were answered, and latency counts from when each was due. A target that stalls pays for every request that had to wait.';
    case 'capacity':
      return 'The highest open-loop rate whose 99th percentile of latency stays under the limit.';
    case 'cold':
      return 'From the start of the server’s process; a fresh one for every round.';
    case 'init':
      return 'One /init at a time, each to a fresh server.';
  }
}
