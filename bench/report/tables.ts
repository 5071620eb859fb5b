import { STATUS_WORDS } from './charts/bars.js';
import { collect } from './collect.js';
import { formatSummary } from './format.js';
import { type Entry, type Group, partOf, targetOf } from './groups.js';
import { comparedMetric, type Metric, metricsOf } from './metrics.js';
import type { BenchComparison, BenchReport } from './schema.js';
import { formatInterval, JUDGED } from './verdicts.js';

/** A table's cell: what is read, and the plain number that is copied. */
export interface TableCell {
  readonly text: string;
  readonly value?: number;
  readonly tone?: 'muted' | 'warning' | 'ahead' | 'behind';
}

export interface Table {
  readonly columns: readonly { readonly title: string; readonly unit?: string; readonly numeric: boolean }[];
  readonly rows: readonly (readonly TableCell[])[];
}

const NOTHING: TableCell = { text: '–', tone: 'muted' };

/** All numbers of a group: a row per target, a column per metric and per ratio to the baseline. */
export function groupTable(report: BenchReport, group: Group): Table {
  const metrics = metricsOf(group.entries.map(({ cell }) => cell));
  const ratios = ratioColumns(group, metrics);
  const baseline = group.comparisons[0]?.baselineId ?? report.baselineId;
  const baselineTitle = baseline === undefined ? '' : targetOf(report, baseline).title;
  return {
    columns: [
      { title: 'target', numeric: false },
      ...(metrics.length === 0 ? [{ title: 'result', numeric: false }] : []),
      ...metrics.map(({ title, unit }) => ({ title, unit, numeric: true })),
      ...ratios.map(({ title }) => ({ title: `${title} ÷ ${baselineTitle}`, unit: 'ratio', numeric: true })),
      { title: 'rounds', numeric: true },
    ],
    rows: group.entries.map((entry) => {
      const measured = entry.cell.status === 'ok' || entry.cell.status === 'interrupted';
      const status: TableCell = {
        text: statusText(entry),
        tone: entry.cell.status === 'failed' ? 'warning' : 'muted',
      };
      const numbers = metrics.map((metric, index): TableCell => {
        const summary = measured ? metric.summary(entry.cell) : undefined;
        if (summary !== undefined)
          return { text: formatSummary(summary, metric.format), value: summary.median };
        return index === 0 && !measured ? status : NOTHING;
      });
      return [
        { text: entry.target.title },
        ...(metrics.length === 0 ? [status] : numbers),
        ...ratios.map((column) => ratioCell(group, entry, column, baseline)),
        roundsCell(entry),
      ];
    }),
  };
}

const statusText = ({ cell }: Entry): string => STATUS_WORDS[cell.status];

interface RatioColumn {
  readonly metric: BenchComparison['metric'];
  readonly mark: string | undefined;
  readonly title: string;
}

/** Ratios of what the table has, the one by which the part is judged first. */
function ratioColumns({ comparisons, load }: Group, metrics: readonly Metric[]): RatioColumn[] {
  const shown = new Set(metrics.map(({ key }) => key));
  const columns = new Map<string, RatioColumn>();
  for (const comparison of comparisons) {
    const { metric, mark } = comparison;
    const { key, title } = comparedMetric(comparison);
    if (shown.has(key)) columns.set(key, { metric, mark, title });
  }
  const judged = JUDGED[partOf(load)];
  const rank = ({ metric }: RatioColumn): number =>
    (judged.indexOf(metric) + judged.length + 1) % (judged.length + 1);
  return [...columns.values()].sort((a, b) => rank(a) - rank(b));
}

function ratioCell(
  { comparisons }: Group,
  { target }: Entry,
  column: RatioColumn,
  baseline: string | undefined,
): TableCell {
  const found = comparisons.find(
    ({ targetId, metric, mark }) =>
      targetId === target.id && metric === column.metric && mark === column.mark,
  );
  if (found === undefined)
    return target.id === baseline ? { text: 'baseline', value: 1, tone: 'muted' } : NOTHING;
  const tone = ({ target: 'ahead', baseline: 'behind', undecided: 'muted' } as const)[found.better];
  const note = found.better === 'undecided' ? ' undecided' : '';
  return {
    text: `${formatInterval(found.ratio, found.low, found.high)}${note}`,
    value: found.ratio,
    ...(target.reference ? {} : { tone }),
  };
}

function roundsCell({ cell }: Entry): TableCell {
  const repeated = cell.rounds.filter((round) => round.repeated > 0).length;
  const errors = collect(
    cell.rounds.flatMap((round) => Object.entries(round.errors)),
    ([kind]) => kind,
  );
  const wrong = [...errors].map(
    ([kind, all]) => `${all.reduce((sum, [, count]) => sum + count, 0)} × ${kind}`,
  );
  const notes = [
    ...wrong,
    ...(repeated === 0 ? [] : [`${repeated} repeated`]),
    ...(cell.status === 'interrupted' ? ['interrupted'] : []),
    ...(cell.boundBy === 'generator' ? ['generator’s limit'] : []),
  ];
  const count = cell.rounds.length;
  return { text: notes.length === 0 ? `${count}` : `${count} (${notes.join(', ')})`, value: count };
}
