import { numberOf, type Styles } from './charts/bars.js';
import { type Line, linesChart } from './charts/lines.js';
import { linearScale, type Scale } from './charts/scale.js';
import { targetStyles, UNKNOWN_STYLE } from './charts/theme.js';
import { collect } from './collect.js';
import { countOf, formatDate, loadTitle } from './format.js';
import { type Group, groupsOf } from './groups.js';
import { escapeHtml, plainLine } from './html/escape.js';
import { figure, figures, htmlPage } from './html/page.js';
import { htmlTable } from './html/table.js';
import { CAPACITY, type Metric, markMetric, marksOf, P50, RATE } from './metrics.js';
import type { BenchReport, BenchTarget } from './schema.js';
import type { Table } from './tables.js';

/** One run of a history, and its groups by key. */
interface Run {
  readonly report: BenchReport;
  readonly groups: ReadonlyMap<string, Group>;
}

/** How the numbers went from run to run, as one HTML file; the runs in any order. */
export function trendPage(reports: readonly BenchReport[]): string {
  const sorted = reports.toSorted((a, b) => Date.parse(a.startedAt) - Date.parse(b.startedAt));
  const runs = sorted.map(
    (report): Run => ({
      report,
      groups: new Map(groupsOf(report).map((group) => [group.key, group])),
    }),
  );
  // The latest run says what a target is called and, by its order, which colour it has.
  const targets = [
    ...collect(
      runs.toReversed().flatMap(({ report }) => report.targets),
      ({ id }) => id,
    ).values(),
  ].flatMap(([latest]) => (latest === undefined ? [] : [latest]));
  const styles = targetStyles(targets);
  const groups = collect(
    runs.toReversed().flatMap((run) => [...run.groups.values()]),
    ({ key }) => key,
  );
  const sections = [...groups.values()].flatMap(([latest]) =>
    latest === undefined ? [] : [groupSection(runs, latest, targets, styles)],
  );
  const title = `Benchmarks over ${countOf(runs.length, 'run')}`;
  return htmlPage({
    title,
    body: `<h1>${escapeHtml(title)}</h1>\n${runsTable(runs)}\n${sections.join('')}`,
  });
}

/** The date, and the commit below it. */
const runName = ({ report }: Run): string =>
  [formatDate(report.startedAt).slice(0, 10), plainLine(report.machine.commit ?? '').slice(0, 7)]
    .join('\n')
    .trim();

function runsTable(runs: readonly Run[]): string {
  const table: Table = {
    columns: ['run', 'commit', 'profile', 'CPU', 'kernel', 'Node', 'interrupted'].map((title) => ({
      title,
      numeric: false,
    })),
    rows: runs.map(({ report: { startedAt, machine, profile, interrupted } }) =>
      [
        formatDate(startedAt),
        `${machine.commit?.slice(0, 9) ?? '–'}${machine.dirty === true ? ' with changes' : ''}`,
        profile,
        `${machine.cpu}, ${machine.cores}`,
        machine.kernel,
        machine.node,
        interrupted ? 'yes' : 'no',
      ].map((text) => ({ text })),
    ),
  };
  const machines = new Set(runs.map(({ report: { machine } }) => `${machine.cpu}/${machine.cores}`));
  const note =
    machines.size > 1 ? '<p>The runs are not all of one machine: a step may be the machine’s.</p>\n' : '';
  return `${note}${htmlTable('Runs', table)}`;
}

function groupSection(
  runs: readonly Run[],
  group: Group,
  targets: readonly BenchTarget[],
  styles: Styles,
): string {
  const marks = marksOf(group.entries.map(({ cell }) => cell)).map(markMetric);
  const metrics = group.load.kind === 'capacity' ? [CAPACITY] : [...marks, RATE, P50];
  const shown = group.load.kind === 'cold' || group.load.kind === 'init' ? [...marks, P50] : metrics;
  const charts = shown.map((metric) =>
    figure(metric.title, trendChart(runs, group, targets, metric, styles)),
  );
  const all = figures(...charts);
  return all === ''
    ? ''
    : `<h2>${escapeHtml(`${group.scenario.title}, ${loadTitle(group.load)}`)}</h2>\n${all}`;
}

/** A metric of one group over the runs: medians, with the lowest and the highest round. */
function trendChart(
  runs: readonly Run[],
  { key, scenario }: Group,
  targets: readonly BenchTarget[],
  metric: Metric,
  styles: Styles,
): string | undefined {
  const lines = targets
    .filter(({ reference }) => !reference)
    .map((target): Line => {
      const summaries = runs.flatMap(({ groups }, run) => {
        const entry = groups.get(key)?.entries.find(({ cell }) => cell.targetId === target.id);
        const summary = entry === undefined ? undefined : numberOf(entry, metric);
        return summary === undefined ? [] : [{ run, ...summary }];
      });
      return {
        name: target.title,
        style: styles.get(target.id) ?? UNKNOWN_STYLE,
        dots: true,
        points: summaries.map(({ run, median }) => [run, median]),
        spreads: summaries.map(({ run, low, high }) => [run, low, high]),
      };
    })
    .filter(({ points }) => points.length > 0);
  const top = Math.max(0, ...lines.flatMap(({ spreads = [] }) => spreads.map(([, , high]) => high)));
  if (top <= 0) return undefined;
  return linesChart({
    title: `${scenario.title}: ${metric.title} over the runs`,
    description: lines
      .map(({ name, points }) => `${name}: last ${metric.format(points.at(-1)?.[1] ?? 0)}`)
      .join('; '),
    lines,
    x: runScale(runs),
    y: linearScale(top, metric.format, metric.tickUnit),
    xTitle: 'run, by date and commit',
    yTitle: metric.title,
  });
}

const MAX_NAMES = 3;

/** Runs at equal distances; as many are named as there is room for, the last one always. */
function runScale(runs: readonly Run[]): Scale {
  const every = Math.max(1, Math.ceil(runs.length / MAX_NAMES));
  const ticks = runs
    .map((run, at) => ({ at, label: runName(run) }))
    .filter(({ at }) => (runs.length - 1 - at) % every === 0);
  return { min: -0.3, max: runs.length - 0.7, ticks, plot: (run) => run };
}
