import { MIN_ROUNDS, pairedRatio } from '../measure/statistics.js';
import { groupKey } from '../report/groups.js';
import { peakMemory } from '../report/metrics.js';
import type { BenchCell, BenchComparison, BenchRound } from '../report/schema.js';

const CONFIDENCE = 0.95;

interface Metric {
  readonly metric: BenchComparison['metric'];
  readonly mark?: string;
  readonly moreIsBetter: boolean;
  of(round: BenchRound): number | undefined;
}

const LOAD_METRICS: readonly Metric[] = [
  { metric: 'ratePerSecond', moreIsBetter: true, of: (round) => round.ratePerSecond },
  { metric: 'p50Us', moreIsBetter: false, of: (round) => round.latency?.p50Us },
  { metric: 'p99Us', moreIsBetter: false, of: (round) => round.latency?.p99Us },
];
const COST_METRICS: readonly Metric[] = [
  { metric: 'cpuSecondsPerActivation', moreIsBetter: false, of: (round) => round.cpuSecondsPerActivation },
  { metric: 'peakMemoryBytes', moreIsBetter: false, of: peakMemory },
];

/**
 * The ratio of every target to the baseline in each scenario and load, from paired rounds. Where the baseline
 * has no number of its own, the next in `order` that has one takes its place.
 *
 * @param order ids of targets, the baseline first
 */
export function compareCells(cells: readonly BenchCell[], order: readonly string[]): BenchComparison[] {
  const groups = new Map<string, BenchCell[]>();
  for (const cell of cells) {
    if (cell.rounds.length === 0 || cell.summary === undefined) continue;
    const key = groupKey(cell.scenarioId, cell.load);
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return [...groups.values()].flatMap((group) => {
    const baseline = order
      .map((id) => group.find((cell) => cell.targetId === id))
      .find((cell) => cell !== undefined);
    if (baseline === undefined) return [];
    return group.filter((cell) => cell !== baseline).flatMap((cell) => compareTwo(cell, baseline));
  });
}

function compareTwo(target: BenchCell, baseline: BenchCell): BenchComparison[] {
  return metricsOf(target).flatMap((metric) => {
    const ours = target.rounds.map((round) => metric.of(round));
    const theirs = baseline.rounds.map((round) => metric.of(round));
    const pairs = ours.flatMap((value, index) => {
      const other = theirs[index];
      // A round that found nothing, as a capacity of zero, has no ratio.
      return value === undefined || other === undefined || other <= 0 || value <= 0
        ? []
        : [[value, other] as const];
    });
    if (pairs.length === 0) return [];
    const { ratio, low, high, confidence } = pairedRatio(
      pairs.map(([value]) => value),
      pairs.map(([, other]) => other),
      CONFIDENCE,
    );
    return [
      {
        scenarioId: target.scenarioId,
        load: target.load,
        baselineId: baseline.targetId,
        targetId: target.targetId,
        metric: metric.metric,
        ...(metric.mark === undefined ? {} : { mark: metric.mark }),
        ratio,
        low,
        high,
        confidence,
        better: verdict(low, high, pairs.length, metric.moreIsBetter),
      },
    ];
  });
}

function verdict(low: number, high: number, pairs: number, moreIsBetter: boolean): BenchComparison['better'] {
  if (pairs < MIN_ROUNDS || (low <= 1 && high >= 1)) return 'undecided';
  return low > 1 === moreIsBetter ? 'target' : 'baseline';
}

function metricsOf(cell: BenchCell): Metric[] {
  if (cell.load.kind !== 'cold' && cell.load.kind !== 'init') return [...LOAD_METRICS, ...COST_METRICS];
  const marks = Object.keys(cell.summary?.marksMs ?? {}).map(
    (mark): Metric => ({
      metric: 'mark',
      mark,
      moreIsBetter: false,
      of: (round) => round.marksMs?.[mark],
    }),
  );
  return [...marks, ...COST_METRICS];
}
