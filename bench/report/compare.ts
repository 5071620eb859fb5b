import { type Interval, MIN_ROUNDS, median, ratioOfMedians } from '../measure/statistics.js';
import { formatMs } from './format.js';
import { groupKey } from './groups.js';
import {
  CAPACITY,
  CPU,
  MEMORY,
  type Metric,
  markMetric,
  marksOf,
  P50,
  P90,
  P99,
  P999,
  RATE,
} from './metrics.js';
import type { BenchCell, BenchReport } from './schema.js';

/** What became of one number of one cell. */
export interface Change extends Interval {
  readonly targetId: string;
  readonly scenarioId: string;
  readonly load: BenchCell['load'];
  readonly metric: Metric;
  readonly before: number;
  readonly after: number;
  readonly verdict: 'better' | 'worse' | 'unchanged' | 'undecided';
  /** Significantly worse, by more than the threshold, in a metric that counts. */
  readonly regression: boolean;
}

/** A cell that can't be compared by numbers, and why. */
export interface StateChange {
  readonly targetId: string;
  readonly scenarioId: string;
  readonly load: BenchCell['load'];
  readonly before: BenchCell['status'] | 'not measured';
  readonly after: BenchCell['status'] | 'not measured';
  readonly reason: string | undefined;
  /** It gave right answers, and no longer does. */
  readonly regression: boolean;
}

export interface Comparison {
  readonly threshold: number;
  readonly confidence: number;
  readonly changes: readonly Change[];
  readonly states: readonly StateChange[];
  /** Facts of the machines that differ: [name, before, after]. */
  readonly facts: readonly (readonly [string, string, string])[];
  readonly regression: boolean;
}

interface CompareOptions {
  /** As a share: 0.05 is 5 %. */
  readonly threshold: number;
  readonly confidence: number;
  /** The ids of the targets by which a run fails; without them all that are no limits. */
  readonly targets?: readonly string[] | undefined;
}

/**
 * The tails beyond the 99th percentile rest on a handful of requests, and the 90th tells little that the 50th and the
 * 99th don't: they are shown, but no run fails by them.
 */
const WATCHED_ONLY: ReadonlySet<string> = new Set([P90.key, P999.key]);

/** What differs between two reports, cell by cell and metric by metric. */
export function compareReports(before: BenchReport, after: BenchReport, options: CompareOptions): Comparison {
  const older = new Map(before.cells.map((cell) => [cellKey(cell), cell]));
  const newer = new Map(after.cells.map((cell) => [cellKey(cell), cell]));
  const counted = countedTargets(after, options);
  const changes: Change[] = [];
  const states: StateChange[] = [];
  for (const key of new Set([...older.keys(), ...newer.keys()])) {
    const [was, is] = [older.get(key), newer.get(key)];
    if (was !== undefined && is !== undefined && measured(was) && measured(is))
      changes.push(...cellChanges(was, is, options, counted.has(is.targetId)));
    else if (was?.status !== is?.status) states.push(stateChange(was, is, counted));
  }
  const { threshold, confidence } = options;
  return {
    threshold,
    confidence,
    changes,
    states,
    facts: differingFacts(before, after),
    regression: changes.some((change) => change.regression) || states.some((state) => state.regression),
  };
}

/** A limit that got worse says that the machine did. */
function countedTargets({ targets }: BenchReport, { targets: wanted }: CompareOptions): ReadonlySet<string> {
  return new Set(wanted ?? targets.filter(({ reference }) => !reference).map(({ id }) => id));
}

const cellKey = (cell: BenchCell): string => `${cell.targetId}/${groupKey(cell.scenarioId, cell.load)}`;

/** What was interrupted has whole rounds, and they count. */
const measured = ({ status, rounds }: BenchCell): boolean =>
  (status === 'ok' || status === 'interrupted') && rounds.length > 0;

function cellChanges(was: BenchCell, is: BenchCell, options: CompareOptions, counts: boolean): Change[] {
  const { targetId, scenarioId, load } = is;
  const own =
    load.kind === 'capacity' ? [CAPACITY] : load.kind === 'cold' || load.kind === 'init' ? [] : [RATE];
  const metrics = [...marksOf([was, is]).map(markMetric), ...own, P50, P90, P99, P999, CPU, MEMORY];
  return metrics.flatMap((metric): Change[] => {
    const [old, now] = [was, is].map((cell) =>
      cell.rounds.map(metric.ofRound).filter((value) => value !== undefined),
    );
    if (old === undefined || now === undefined || old.length === 0 || now.length === 0) return [];
    const interval = ratioOfMedians(old, now, { confidence: options.confidence });
    // Nothing to divide by: a memory that was never sampled.
    if (!Number.isFinite(interval.ratio) || interval.ratio <= 0) return [];
    const enough = Math.min(old.length, now.length) >= MIN_ROUNDS;
    const verdict = enough ? judge(interval, metric, options.threshold) : 'undecided';
    return [
      {
        targetId,
        scenarioId,
        load,
        metric,
        ...interval,
        before: median(old),
        after: median(now),
        verdict,
        regression:
          counts &&
          verdict === 'worse' &&
          isBeyond(interval.ratio, metric, options.threshold) &&
          !WATCHED_ONLY.has(metric.key),
      },
    ];
  });
}

/**
 * Significant is what leaves 1 outside of its interval; unchanged, what has its whole interval within the threshold.
 */
function judge({ ratio, low, high }: Interval, metric: Metric, threshold: number): Change['verdict'] {
  if (low <= 1 && high >= 1) return low >= 1 - threshold && high <= 1 + threshold ? 'unchanged' : 'undecided';
  return ratio > 1 === metric.higherIsBetter ? 'better' : 'worse';
}

/** Of a rate 5 % less, of a duration 5 % more. */
function isBeyond(ratio: number, metric: Metric, threshold: number): boolean {
  return metric.higherIsBetter ? ratio < 1 - threshold : ratio > 1 + threshold;
}

function stateChange(
  was: BenchCell | undefined,
  is: BenchCell | undefined,
  counted: ReadonlySet<string>,
): StateChange {
  const { targetId, scenarioId, load } = (is ?? was) as BenchCell;
  return {
    targetId,
    scenarioId,
    load,
    before: was?.status ?? 'not measured',
    after: is?.status ?? 'not measured',
    reason: is?.reason ?? was?.reason,
    regression: counted.has(targetId) && was?.status === 'ok' && is?.status === 'failed',
  };
}

/** What numbers depend on beside the code: where it differs, a change may not be the code's. */
function differingFacts(before: BenchReport, after: BenchReport): [string, string, string][] {
  const facts = ({ machine, profile, noise }: BenchReport): Record<string, string> => ({
    CPU: machine.cpu,
    cores: String(machine.cores),
    memory: String(machine.memoryBytes),
    kernel: machine.kernel,
    system: machine.os,
    Node: machine.node,
    profile,
    ...Object.fromEntries(
      Object.entries(machine.packages).map(([name, version]) => [`package ${name}`, version]),
    ),
    calibration: formatMs(noise.calibrationMs.median),
  });
  const [old, now] = [facts(before), facts(after)];
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].flatMap(
    (name): [string, string, string][] => {
      const [was, is] = [old[name] ?? 'none', now[name] ?? 'none'];
      if (was === is) return [];
      if (name === 'calibration' && sameSpeed(before, after)) return [];
      return [[name, was, is]];
    },
  );
}

/** Whether a fixed piece of work took about as long in both runs. */
const CALIBRATION_TOLERANCE = 0.03;

function sameSpeed(before: BenchReport, after: BenchReport): boolean {
  const [old, now] = [before.noise.calibrationMs.median, after.noise.calibrationMs.median];
  return Math.abs(now / old - 1) <= CALIBRATION_TOLERANCE;
}
