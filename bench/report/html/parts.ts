import { barsChart, STATUS_WORDS, type Styles } from '../charts/bars.js';
import { curvesChart } from '../charts/curves.js';
import { latencyChart } from '../charts/dots.js';
import { forestChart } from '../charts/forest.js';
import { scalingChart } from '../charts/scaling.js';
import { cpuChart, memoryChart } from '../charts/timeline.js';
import { collect } from '../collect.js';
import { countOf, loadTitle } from '../format.js';
import { type Group, groupsOf, PART_TITLES, type Part, partNote, roundsOf, targetOf } from '../groups.js';
import { CAPACITY, CPU, MEMORY, type Metric, markMetric, marksOf, RATE } from '../metrics.js';
import type { BenchReport } from '../schema.js';
import { groupTable } from '../tables.js';
import { contestsOf, limitSentences } from '../verdicts.js';
import { escapeHtml } from './escape.js';
import { details, figure, figures } from './page.js';
import { htmlTable } from './table.js';

/** A part of the report: why it is there, who is ahead, and each of its groups. */
export function partSection(report: BenchReport, part: Part, styles: Styles, first: boolean): string {
  const contests = contestsOf(report, part);
  const leading = contests[0]?.metric.key;
  const forests = contests
    .filter(({ metric }) => metric.key === leading)
    .map((contest) => {
      const [target, baseline] = [contest.targetId, contest.baselineId].map(
        (id) => targetOf(report, id).title,
      );
      return figure(
        `${target} against ${baseline}: ${contest.metric.title}`,
        forestChart(report, contest, styles),
      );
    });
  const groups = part.groups.map((group, index) => groupSection(report, group, styles, first && index === 0));
  return `<section id="${part.kind}">
<h2>${escapeHtml(PART_TITLES[part.kind])}</h2>
<p>${escapeHtml(partNote(report, part.kind))}</p>
${part.kind === 'many' ? scaling(report, styles) : ''}${part.groups.length > 1 ? figures(...forests) : ''}${groups.join('')}</section>
`;
}

/** Over all closed loops, also those of one connection: what more of them bring. */
function scaling(report: BenchReport, styles: Styles): string {
  const closed = groupsOf(report).filter(({ load }) => load.kind === 'closed');
  const charts = [...collect(closed, ({ scenario }) => scenario.id).values()].map((groups) =>
    figure(`${groups[0]?.scenario.title}: activations/s by connections`, scalingChart(groups, styles)),
  );
  return figures(...charts);
}

/** What is drawn as bars under that load; latencies have a picture of their own. */
function barMetrics({ load, entries }: Group): Metric[] {
  const marks = marksOf(entries.map(({ cell }) => cell)).map(markMetric);
  if (load.kind === 'capacity') return [CAPACITY];
  return load.kind === 'closed' || load.kind === 'open' ? [...marks, RATE] : marks;
}

function groupSection(report: BenchReport, group: Group, styles: Styles, open: boolean): string {
  const { scenario, load } = group;
  const under = load.kind === 'cold' || load.kind === 'init' ? '' : ` – ${loadTitle(load)}`;
  const heading = `${scenario.title}${under}`;
  const bars = (metric: Metric): string => figure(metric.title, barsChart(group, metric, styles));
  // What a start costs is its memory; what an activation costs, its CPU.
  const costs = load.kind === 'cold' || load.kind === 'init' ? [MEMORY] : [CPU];
  return `<section>
<h3 id="${escapeHtml(group.key)}">${escapeHtml(heading)}</h3>
${scenario.description === '' ? '' : `<p class="muted">${escapeHtml(scenario.description)}</p>\n`}${limitSentences(
  group,
)
  .map((sentence) => `<p>${escapeHtml(sentence)}</p>\n`)
  .join('')}${figures(
  ...barMetrics(group).map(bars),
  figure('Latency: median and 99th percentile', latencyChart(group, styles)),
  figure('Latency by percentile, median over the rounds', curvesChart(group, styles)),
  ...costs.map(bars),
)}${htmlTable(`${heading}: median (lowest–highest of ${roundsOf(group)})`, groupTable(report, group))}${reasons(group)}${details(
  'CPU and memory over time',
  figures(
    figure('CPUs in use over time, middle round', cpuChart(group, styles)),
    figure('Memory over time, middle round', memoryChart(group, styles)),
    ...(costs.includes(MEMORY) ? [] : [bars(MEMORY)]),
  ),
  open,
)}</section>
`;
}

/** Why cells have no number, in full: a reason may have the tail of a log. */
function reasons({ entries }: Group): string {
  const without = entries.filter(({ cell }) => cell.status !== 'ok' && cell.reason !== undefined);
  const body = without.map(
    ({ target, cell }) =>
      `<p>${escapeHtml(`${target.title}: ${STATUS_WORDS[cell.status]}`)}</p>\n<pre>${escapeHtml(cell.reason ?? '')}</pre>\n`,
  );
  return details(`Why ${countOf(without.length, 'target')} had no whole measurement`, body.join(''));
}
