import { summarize } from '../measure/statistics.js';
import {
  formatBytes,
  formatMs,
  formatRate,
  formatRatio,
  formatSeconds,
  formatShare,
  formatUs,
} from './format.js';
import type { BenchCell, BenchComparison, BenchRound, BenchSummary } from './schema.js';

/** One number of a cell: how it is named, written and judged. */
export interface Metric {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly format: (value: number) => string;
  /** Of which an axis has round numbers; 1 unless said otherwise. */
  readonly tickUnit?: number;
  /** Over the rounds. */
  readonly summary: (cell: BenchCell) => BenchSummary | undefined;
  /** In one round. */
  readonly ofRound: (round: BenchRound) => number | undefined;
}

type Percentile = 'p50Us' | 'p90Us' | 'p99Us' | 'p999Us';

function latencyMetric(key: Percentile, title: string): Metric {
  return {
    key,
    title,
    unit: 'µs',
    higherIsBetter: false,
    format: formatUs,
    summary: (cell) => cell.summary?.[key],
    ofRound: (round) => round.latency?.[key],
  };
}

/** The highest memory that was seen in a round; undefined without a sample. */
export function peakMemory(round: BenchRound): number | undefined {
  if (round.memory.length === 0) return undefined;
  return Math.max(...round.memory.map(([, bytes]) => bytes));
}

export const RATE: Metric = {
  key: 'ratePerSecond',
  title: 'activations/s',
  unit: '1/s',
  higherIsBetter: true,
  format: formatRate,
  summary: (cell) => cell.summary?.ratePerSecond,
  ofRound: (round) => round.ratePerSecond,
};
export const P50 = latencyMetric('p50Us', 'p50 latency');
export const P90 = latencyMetric('p90Us', 'p90 latency');
export const P99 = latencyMetric('p99Us', 'p99 latency');
export const P999 = latencyMetric('p999Us', 'p99.9 latency');
export const CPU: Metric = {
  key: 'cpuSecondsPerActivation',
  title: 'CPU per activation',
  unit: 's',
  higherIsBetter: false,
  format: formatSeconds,
  summary: (cell) => cell.summary?.cpuSecondsPerActivation,
  ofRound: (round) => round.cpuSecondsPerActivation,
};
export const MEMORY: Metric = {
  key: 'peakMemoryBytes',
  title: 'peak memory',
  unit: 'bytes',
  higherIsBetter: false,
  format: formatBytes,
  tickUnit: 2 ** 20,
  summary: (cell) => cell.summary?.peakMemoryBytes,
  ofRound: peakMemory,
};
export const CAPACITY: Metric = {
  key: 'capacityPerSecond',
  title: 'capacity',
  unit: '1/s',
  higherIsBetter: true,
  format: formatRate,
  summary: (cell) => cell.summary?.capacityPerSecond,
  // The search is one per round, and the rate that it found is the round's.
  ofRound: (round) => round.ratePerSecond,
};

/** A number of an overload as a whole: none of its rounds has it by itself. */
function overloadMetric(
  key: string,
  title: string,
  unit: string,
  format: Metric['format'],
  summary: Metric['summary'],
): Metric {
  return { key, title, unit, higherIsBetter: false, format, summary, ofRound: () => undefined };
}

/** What only a load that is a multiple of each target's own capacity has. */
export const OVERLOAD: readonly Metric[] = [
  overloadMetric('duePerSecond', 'due', '1/s', formatRate, ({ load }) =>
    load.kind === 'open' ? summarize([load.ratePerSecond]) : undefined,
  ),
  overloadMetric(
    'refusedShare',
    'refused (429)',
    'share',
    formatShare,
    (cell) => cell.summary?.overload?.refusedShare,
  ),
  overloadMetric(
    'lost',
    'lost',
    'requests',
    (count) => String(Math.round(count)),
    (cell) => cell.summary?.overload?.lost,
  ),
  overloadMetric(
    'p99OverCalm',
    'p99 ÷ p99 without overload',
    'ratio',
    formatRatio,
    (cell) => cell.summary?.overload?.p99OverCalm,
  ),
  overloadMetric('generatorCpuShare', 'generator’s share of the CPU', 'share', formatShare, ({ rounds }) => {
    const shares = rounds.flatMap(({ generatorCpuShare }) => generatorCpuShare ?? []);
    return shares.length === 0 ? undefined : summarize(shares);
  }),
];

/** A named single duration, such as `listen` of a cold start. */
export function markMetric(mark: string): Metric {
  return {
    key: `mark:${mark}`,
    title: `time to ${markTitle(mark)}`,
    unit: 'ms',
    higherIsBetter: false,
    format: formatMs,
    summary: (cell) => cell.summary?.marksMs?.[mark],
    ofRound: (round) => round.marksMs?.[mark],
  };
}

/** `firstAnswer` is `first answer`. */
const markTitle = (mark: string): string => mark.replace(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();

/** The names of the marks that any of the cells has. */
export function marksOf(cells: readonly BenchCell[]): string[] {
  const names = cells.flatMap((cell) => [
    ...Object.keys(cell.summary?.marksMs ?? {}),
    ...cell.rounds.flatMap((round) => Object.keys(round.marksMs ?? {})),
  ]);
  return [...new Set(names)];
}

/** What can be said of a cell, the most telling first. */
export function metricsOf(cells: readonly BenchCell[]): Metric[] {
  const load = cells[0]?.load;
  const kind = load?.kind;
  const overload = load?.kind === 'open' && load.factor !== undefined ? OVERLOAD : [];
  const rate = kind === 'capacity' ? [CAPACITY] : kind === 'cold' || kind === 'init' ? [] : [RATE];
  return [...marksOf(cells).map(markMetric), ...rate, P50, P90, P99, P999, ...overload, CPU, MEMORY].filter(
    (metric) => cells.some((cell) => metric.summary(cell) !== undefined),
  );
}

/** The metric that a comparison is about. */
export function comparedMetric(comparison: BenchComparison): Metric {
  if (comparison.metric === 'mark') return markMetric(comparison.mark ?? 'mark');
  if (comparison.metric === 'ratePerSecond' && comparison.load.kind === 'capacity') return CAPACITY;
  const known = [RATE, P50, P99, CPU, MEMORY].find(({ key }) => key === comparison.metric);
  return known ?? RATE;
}
