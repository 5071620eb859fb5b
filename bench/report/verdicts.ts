import { countOf, formatRatio, formatShare, loadTitle } from './format.js';
import { type Part, type PartKind, targetOf } from './groups.js';
import { comparedMetric, type Metric } from './metrics.js';
import type { BenchComparison, BenchReport } from './schema.js';

/** Who is ahead, by how much and how sure that is, in words. */

/** How many times better the target is than its baseline, whichever way the metric is better. */
export interface Advantage {
  readonly times: number;
  readonly low: number;
  readonly high: number;
}

/** Of a metric of which less is better, the reciprocal of the ratio. */
export function advantageOf({ ratio, low, high }: BenchComparison, metric: Metric): Advantage {
  return metric.higherIsBetter
    ? { times: ratio, low, high }
    : { times: 1 / ratio, low: 1 / high, high: 1 / low };
}

/** `4.80× (4.61×–5.02×)`. */
export const formatInterval = (times: number, low: number, high: number): string =>
  `${formatRatio(times)} (${formatRatio(low)}–${formatRatio(high)})`;

/** What a part is judged by, the most telling first. */
const JUDGED: Record<PartKind, readonly BenchComparison['metric'][]> = {
  one: ['ratePerSecond', 'p50Us', 'p99Us'],
  many: ['ratePerSecond', 'p50Us', 'p99Us'],
  open: ['p50Us', 'p99Us'],
  capacity: ['ratePerSecond'],
  cold: ['mark', 'peakMemoryBytes'],
  init: ['mark', 'p50Us'],
};

/** The comparisons of one target with one baseline by one metric, over a part's groups. */
export interface Contest {
  readonly baselineId: string;
  readonly targetId: string;
  readonly metric: Metric;
  /** Each with a name for what was compared. */
  readonly bouts: readonly { readonly name: string; readonly comparison: BenchComparison }[];
}

/** The contests of a part; limits do not compete. */
export function contestsOf(report: BenchReport, part: Part): Contest[] {
  const contests = new Map<string, Contest>();
  const severalLoads = part.kind === 'many' || part.kind === 'open' || part.kind === 'capacity';
  for (const metric of JUDGED[part.kind]) {
    for (const { scenario, load, comparisons } of part.groups) {
      const name = severalLoads ? `${scenario.title}, ${loadTitle(load)}` : scenario.title;
      for (const comparison of comparisons.filter((one) => one.metric === metric)) {
        const { baselineId, targetId } = comparison;
        if ([baselineId, targetId].some((id) => targetOf(report, id).reference)) continue;
        const key = [baselineId, targetId, metric, comparison.mark].join('\n');
        const contest = contests.get(key) ?? {
          baselineId,
          targetId,
          metric: comparedMetric(comparison),
          bouts: [],
        };
        contests.set(key, { ...contest, bouts: [...contest.bouts, { name, comparison }] });
      }
    }
  }
  return [...contests.values()];
}

/** A sentence on a contest, from the side of whoever won more often. */
export function contestSentence(report: BenchReport, contest: Contest): string {
  const won = contest.bouts.filter(({ comparison }) => comparison.better === 'target');
  const lost = contest.bouts.filter(({ comparison }) => comparison.better === 'baseline');
  const open = contest.bouts.filter(({ comparison }) => comparison.better === 'undecided');
  const [target, baseline] = [contest.targetId, contest.baselineId].map((id) => targetOf(report, id).title);
  const [subject, object] = won.length >= lost.length ? [target, baseline] : [baseline, target];
  const [ahead, behind] = won.length >= lost.length ? [won, lost] : [lost, won];
  const all = contest.bouts.length;
  const what = contest.metric.title;
  if (ahead.length === 0)
    return `${target} against ${baseline}, ${what}: undecided in ${all === 1 ? 'the only scenario' : `all ${all}`}; the ${confidenceOf(contest)} intervals include 1×${span(contest, open)}.`;
  const clauses = [
    `ahead of ${object} in ${ahead.length} of ${countOf(all, 'comparison')}, by ${range(contest, ahead)}`,
    ...(behind.length === 0 ? [] : [`behind in ${behind.length}, by ${range(contest, behind)}`]),
    ...(open.length === 0
      ? []
      : [`undecided in ${open.length} (${open.map(({ name }) => name).join('; ')})`]),
  ];
  return `${subject} is ${clauses.join(', ')} – ${what}.`;
}

type Bouts = Contest['bouts'];

/** How far ahead somebody is: the least and the most, with the interval where there is one number only. */
function range(contest: Contest, bouts: Bouts): string {
  const all = bouts.map(({ name, comparison }) => {
    const { times, low, high } = advantageOf(comparison, contest.metric);
    return times >= 1 ? { name, times, low, high } : { name, times: 1 / times, low: 1 / high, high: 1 / low };
  });
  all.sort((a, b) => a.times - b.times);
  const [least, most] = [all[0], all.at(-1)];
  if (least === undefined || most === undefined) return '';
  const sure = `${confidenceOf(contest)} interval`;
  if (all.length === 1) return `${formatRatio(least.times)} (${sure} ${between(least)}; ${least.name})`;
  return `${formatRatio(least.times)} (${sure} ${between(least)}; ${least.name}) to ${formatRatio(most.times)} (${between(most)}; ${most.name})`;
}

const between = ({ low, high }: Advantage): string => `${formatRatio(low)}–${formatRatio(high)}`;

function span(contest: Contest, bouts: Bouts): string {
  const [only] = bouts;
  if (only === undefined || bouts.length > 1) return '';
  return ` (${between(advantageOf(only.comparison, contest.metric))})`;
}

const confidenceOf = ({ bouts }: Contest): string => {
  const confidence = bouts[0]?.comparison.confidence ?? 0.95;
  return formatShare(confidence).replace('.0', '');
};

/** Which part of a limit each target reaches, where a limit was measured and is not the generator's. */
export function limitSentence({ groups }: Part): string[] {
  return groups.flatMap(({ entries, scenario, load }) =>
    entries.flatMap(({ target: limit, cell }) => {
      const top = cell.summary?.ratePerSecond.median ?? 0;
      if (!limit.reference || limit.protocol !== 'none' || top <= 0 || cell.status !== 'ok') return [];
      const shares = entries.flatMap(({ target, cell: own }) =>
        target.reference || own.status !== 'ok' || own.summary === undefined
          ? []
          : [`${target.title} ${formatShare(own.summary.ratePerSecond.median / top)}`],
      );
      if (shares.length === 0) return [];
      return [`Of the rate of ${limit.title} (${scenario.title}, ${loadTitle(load)}): ${shares.join(', ')}.`];
    }),
  );
}
