import { formatRatio } from '../format.js';
import { targetOf } from '../groups.js';
import type { BenchReport } from '../schema.js';
import { advantageOf, type Contest, formatInterval } from '../verdicts.js';
import type { Styles } from './bars.js';
import { mark } from './dots.js';
import { truncate } from './labels.js';
import { errorBar, type Row, rowsChart } from './rows.js';
import { logScale } from './scale.js';
import { UNKNOWN_STYLE } from './theme.js';

/** How many times better a target is than its baseline, with intervals; what is undecided is hollow. */
export function forestChart(report: BenchReport, contest: Contest, styles: Styles): string {
  const [target, baseline] = [contest.targetId, contest.baselineId].map((id) => targetOf(report, id).title);
  const { ink } = styles.get(contest.targetId) ?? UNKNOWN_STYLE;
  const found = contest.bouts.map(({ name, comparison }) => ({
    name,
    better: comparison.better,
    advantage: advantageOf(comparison, contest.metric),
  }));
  const rows = found.map(
    ({ name, better, advantage: { times, low, high } }): Row => ({
      name,
      value: better === 'undecided' ? `${formatRatio(times)}, undecided` : formatInterval(times, low, high),
      tone: better === 'undecided' ? 'muted' : 'plain',
      shapes: (at) => [
        ...errorBar(at, low, high, { stroke: ink.light, lineWidth: 1.6 }),
        mark('circle', at.x(times), at.middle, ink.light, better !== 'undecided'),
      ],
    }),
  );
  const values = found.flatMap(({ advantage }) => [advantage.low, advantage.high]);
  return rowsChart({
    title: `${target} against ${baseline}: ${contest.metric.title}`,
    description: rows.map(({ name, value }) => `${name}: ${value}`).join('; '),
    rows,
    scale: logScale([...values, 1 / 1.1, 1.1], formatRatio),
    axisTitle: `times better than ${truncate(baseline ?? '', 30)}, logarithmic`,
    guides: [1],
  });
}
