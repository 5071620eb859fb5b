import { collect } from './collect.js';
import { formatBetween, formatRatio, formatShare, loadTitle, significant } from './format.js';
import { type Group, type Part, type PartKind, targetOf } from './groups.js';
import { comparedMetric, type Metric } from './metrics.js';
import type { BenchComparison, BenchReport } from './schema.js';

/** Who is ahead, by how much and how sure that is, in words. */

/** How many times better the target is than its baseline, whichever way the metric is better. */
interface Advantage {
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

/** `4.80× (4.61–5.02)`. */
export const formatInterval = (times: number, low: number, high: number): string =>
  formatBetween(formatRatio(times), formatRatio(low), formatRatio(high));

/** What a part is judged by, the most telling first. */
export const JUDGED: Record<PartKind, readonly BenchComparison['metric'][]> = {
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
  for (const metric of JUDGED[part.kind]) {
    for (const { scenario, load, comparisons } of part.groups) {
      const alone = part.groups.filter((one) => one.scenario.id === scenario.id).length === 1;
      const name = alone && part.kind !== 'many' ? scenario.title : `${scenario.title}, ${loadTitle(load)}`;
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

/** A verdict in words: who it is about, and what is said. */
interface Verdict {
  readonly subject: string;
  readonly rest: string;
}

/** One verdict for each target and baseline of a part, on all metrics by which the part is judged. */
export function verdictsOf(report: BenchReport, part: Part): Verdict[] {
  const pairs = collect(contestsOf(report, part), ({ baselineId, targetId }) => `${baselineId}\n${targetId}`);
  return [...pairs.values()].flatMap(([main, ...others]) => {
    if (main === undefined) return [];
    const scores = [main, ...others].map(scoreOf);
    const won = scores.reduce((sum, { ahead, behind }) => sum + ahead.length - behind.length, 0);
    const [target, baseline] = [main.targetId, main.baselineId].map((id) => targetOf(report, id).title);
    const [subject, object] = won >= 0 ? [target, baseline] : [baseline, target];
    if (subject === undefined || object === undefined) return [];
    const seen = (contest: Contest): Score => (won >= 0 ? scoreOf(contest) : turned(scoreOf(contest)));
    const rest = [mainClause(main, seen(main), object), ...others.map((one) => briefClause(one, seen(one)))];
    return [{ subject, rest: ` ${rest.join('; ')}.` }];
  });
}

/** A bout as seen by the subject of a sentence. */
interface Bout extends Advantage {
  readonly name: string;
}

interface Score {
  readonly ahead: readonly Bout[];
  readonly behind: readonly Bout[];
  readonly undecided: readonly Bout[];
}

function scoreOf({ bouts, metric }: Contest): Score {
  const having = (better: BenchComparison['better']): Bout[] =>
    bouts
      .filter(({ comparison }) => comparison.better === better)
      .map(({ name, comparison }) => ({ name, ...advantageOf(comparison, metric) }));
  return { ahead: having('target'), behind: having('baseline').map(inverse), undecided: having('undecided') };
}

const inverse = ({ name, times, low, high }: Bout): Bout => ({
  name,
  times: 1 / times,
  low: 1 / high,
  high: 1 / low,
});

const turned = ({ ahead, behind, undecided }: Score): Score => ({
  ahead: behind,
  behind: ahead,
  undecided: undecided.map(inverse),
});

function mainClause(contest: Contest, { ahead, behind, undecided }: Score, object: string): string {
  const all = contest.bouts.length;
  const what = contest.metric.title;
  const clauses = [
    ...(ahead.length === 0
      ? []
      : [`is ahead of ${object} in ${what}${tally(ahead, all)}, by ${range(contest, ahead, all)}`]),
    ...(behind.length === 0
      ? []
      : [
          `${ahead.length === 0 ? `is behind ${object} in ${what}` : 'behind'}${tally(behind, all)}, by ${range(contest, behind, all)}`,
        ]),
    ...(undecided.length === 0
      ? []
      : [
          `${undecided.length === all ? `and ${object} are undecided in ${what}` : 'undecided'}${tally(undecided, all)}: ${undecidedNames(contest, undecided, all)}`,
        ]),
  ];
  return clauses.join('; ');
}

/** How many of how many, where there is more than one. */
function tally(bouts: readonly Bout[], all: number): string {
  if (all === 1) return '';
  if (bouts.length === all) return all === 2 ? ' in both comparisons' : ` in all ${all} comparisons`;
  return ` in ${bouts.length} of ${all} comparisons`;
}

/** How far apart they are, the least and the most, each with its interval. */
function range(contest: Contest, bouts: readonly Bout[], all: number): string {
  const sorted = bouts.toSorted((a, b) => a.times - b.times);
  const [least, most] = [sorted[0], sorted.at(-1)];
  if (least === undefined || most === undefined) return '';
  const sure = `${confidenceOf(contest)} interval ${between(least)}`;
  if (least === most) return `${formatRatio(least.times)} (${sure}${all === 1 ? '' : `; ${least.name}`})`;
  return `${formatRatio(least.times)} (${sure}; ${least.name}) to ${formatRatio(most.times)} (${between(most)}; ${most.name})`;
}

/** Undecided is also what has an interval without 1, but too few rounds to trust it. */
function undecidedNames(contest: Contest, bouts: readonly Bout[], all: number): string {
  const intervals = bouts.map((bout) => (all === 1 ? between(bout) : `${bout.name} ${between(bout)}`));
  const open = bouts.filter(({ low, high }) => low <= 1 && high >= 1).length;
  const includes = `the ${confidenceOf(contest)} interval includes 1×`;
  const why =
    open === bouts.length
      ? includes
      : open === 0
        ? 'too few rounds to trust the interval'
        : `${includes}, or rests on too few rounds`;
  return `${why} (${intervals.join('; ')})`;
}

function briefClause({ metric, bouts }: Contest, score: Score): string {
  const words = (['ahead', 'behind', 'undecided'] as const).flatMap((side) => {
    const times = score[side].map((bout) => bout.times).sort((a, b) => a - b);
    const [least, most] = [times[0], times.at(-1)];
    if (least === undefined || most === undefined) return [];
    const where =
      bouts.length === 1
        ? ''
        : times.length === bouts.length
          ? times.length === 2
            ? ' in both'
            : ' in all'
          : ` in ${times.length}`;
    if (side === 'undecided') return [`undecided${where}`];
    const span = least === most ? formatRatio(least) : `${formatRatio(least)} to ${formatRatio(most)}`;
    return [`${side}${where} by ${span}`];
  });
  return `in ${metric.title} ${words.join(', ')}`;
}

const between = ({ low, high }: Advantage): string => `${significant(low)}–${formatRatio(high)}`;

/** Of the least sure one: fewer rounds are less sure. */
const confidenceOf = ({ bouts }: Contest): string =>
  formatShare(Math.min(...bouts.map(({ comparison }) => comparison.confidence))).replace('.0', '');

/** Which part of a limit each target reaches: of a target without HTTP, which is the machine's own. */
export function limitSentences({ entries }: Group): string[] {
  return entries.flatMap(({ target: limit, cell }) => {
    const top = cell.summary?.ratePerSecond.median ?? 0;
    if (!limit.reference || limit.protocol !== 'none' || top <= 0 || cell.status !== 'ok') return [];
    const shares = entries.flatMap(({ target, cell: own }) =>
      target.reference || own.status !== 'ok' || own.summary === undefined
        ? []
        : [`${target.title} ${formatShare(own.summary.ratePerSecond.median / top)}`],
    );
    if (shares.length === 0) return [];
    return [`Of the rate of the limit, ${limit.title}: ${shares.join('; ')}.`];
  });
}
