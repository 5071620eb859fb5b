import { ratioOfMedians, seededRandom } from '../../bench/measure/statistics.js';
import { groupKey } from '../../bench/report/groups.js';
import type {
  BenchCell,
  BenchComparison,
  BenchLoad,
  BenchReport,
  BenchRound,
} from '../../bench/report/schema.js';
import { SCENARIOS, TARGETS } from './sample-parts.js';
import { type Behaviour, type Random, sampleLatency, sampleRound, summarised } from './sample-rounds.js';

interface SampleOptions {
  readonly seed?: number;
  readonly rounds?: number;
  /** Multiplies the rate, and divides the latency, of that target. */
  readonly speedOf?: Readonly<Record<string, number>>;
  readonly startedAt?: string;
}

const BASELINE = 'dockerskeleton';

/** How fast each target starts a process, and what it costs: [ms of a lone request, CPU ms, MiB, most at once]. */
const MANNERS: Record<string, readonly [number, number, number, number]> = {
  hyperskeleton: [0.92, 0.95, 96, 2.4],
  'hyperskeleton-child': [2.1, 2.3, 112, 1.3],
  dockerskeleton: [4.6, 4.4, 58, 1],
  'runtime-go': [1.02, 1.04, 24, 1],
  'spawn-loop': [0.55, 0.6, 2, 2],
  'bare-http': [0.045, 0.04, 70, 1.2],
};

/** What a scenario adds to each activation, in ms, and the loads under which it is measured. */
const COSTS: readonly (readonly [string, number, readonly BenchLoad[]])[] = [
  ['hello-c', 0, [closed(1), closed(32)]],
  ['hello-python', 14, [closed(1), closed(32)]],
  ['args-1mb', 6, [closed(1)]],
  ['paced', 0, [{ kind: 'open', connections: 64, ratePerSecond: 200 }]],
  ['best', 0, [{ kind: 'capacity', connections: 64, p99LimitUs: 50_000 }]],
  ['cold-start', 0, [{ kind: 'cold' }]],
  ['init-40mb', 180, [{ kind: 'init' }]],
];

function closed(connections: number): BenchLoad {
  return { kind: 'closed', connections };
}

function behaviour(targetId: string, cost: number, load: BenchLoad, speed: number): Behaviour | undefined {
  const manner = MANNERS[targetId];
  if (manner === undefined) return undefined;
  const [spawnMs, cpuMs, memoryMiB, atOnce] = manner;
  const ms = (targetId === 'bare-http' ? spawnMs : spawnMs + cost) / speed;
  const connections = 'connections' in load ? load.connections : 1;
  const alone = 1000 / ms;
  const rate = connections === 1 ? alone : alone * atOnce;
  const base = {
    rate,
    p50Us: (connections / rate) * 1e6,
    tail: targetId === 'runtime-go' ? 2.6 : targetId === 'dockerskeleton' ? 5 : 4,
    cpuSeconds: (cpuMs + cost) / 1000 / speed,
    memoryMiB,
    hasLatency: targetId !== 'spawn-loop',
  };
  if (load.kind === 'open') return { ...base, rate: Math.min(load.ratePerSecond, rate), p50Us: ms * 1300 };
  if (load.kind === 'cold')
    return { ...base, hasLatency: false, marksMs: { listen: memoryMiB * 2, firstAnswer: memoryMiB * 2.4 } };
  return base;
}

function cellOf(targetId: string, scenarioId: string, load: BenchLoad, rounds: BenchRound[]): BenchCell {
  const base = { targetId, scenarioId, load };
  if (targetId === 'of-watchdog')
    return { ...base, status: 'absent', reason: 'not installed: no of-watchdog on PATH', rounds: [] };
  if (targetId === 'runtime-go' && scenarioId === 'args-1mb')
    return {
      ...base,
      status: 'failed',
      reason: '37 of 812 answers were wrong: status 502',
      rounds: rounds.slice(0, 1).map((round) => ({ ...round, errors: { 'status 502': 37 } })),
    };
  if (rounds.length === 0)
    return { ...base, status: 'unsupported', reason: 'it has no /init to measure', rounds };
  const summary = summarised(rounds);
  if (load.kind === 'capacity') summary.capacityPerSecond = summary.ratePerSecond;
  const interrupted = targetId === 'hyperskeleton-child' && scenarioId === 'init-40mb';
  return {
    ...base,
    status: interrupted ? 'interrupted' : 'ok',
    ...(targetId === 'bare-http' && load.kind === 'closed' && load.connections > 1
      ? { boundBy: 'generator' as const }
      : {}),
    rounds: interrupted ? rounds.slice(0, 2) : rounds,
    summary: interrupted ? summarised(rounds.slice(0, 2)) : summary,
  };
}

function cells(options: SampleOptions, random: Random): BenchCell[] {
  return COSTS.flatMap(([scenarioId, cost, loads]) =>
    loads.flatMap((load) =>
      TARGETS.filter(({ reference }) => !reference || load.kind === 'closed').map(({ id }) => {
        const like = behaviour(id, cost, load, options.speedOf?.[id] ?? 1);
        const possible = like !== undefined && !(id === 'spawn-loop' && load.kind === 'init');
        const rounds = possible
          ? Array.from({ length: options.rounds ?? 5 }, (_, index) => sampleRound(like, index, random))
          : [];
        return cellOf(id, scenarioId, load, rounds);
      }),
    ),
  );
}

type Read = readonly [
  BenchComparison['metric'],
  mark: string | undefined,
  (round: BenchRound) => number | undefined,
];

const COMPARED: readonly Read[] = [
  ['ratePerSecond', undefined, (round) => round.ratePerSecond],
  ['p50Us', undefined, (round) => round.latency?.p50Us],
  ['p99Us', undefined, (round) => round.latency?.p99Us],
  ['cpuSecondsPerActivation', undefined, (round) => round.cpuSecondsPerActivation],
  ['mark', 'listen', (round) => round.marksMs?.listen],
  ['mark', 'firstAnswer', (round) => round.marksMs?.firstAnswer],
];

function comparisons(all: readonly BenchCell[]): BenchComparison[] {
  const measured = all.filter(({ status }) => status === 'ok');
  return measured.flatMap((cell) => {
    const key = groupKey(cell.scenarioId, cell.load);
    const baseline = measured.find(
      (other) => other.targetId === BASELINE && groupKey(other.scenarioId, other.load) === key,
    );
    if (baseline === undefined || cell.targetId === BASELINE) return [];
    return COMPARED.flatMap(([metric, mark, read]): BenchComparison[] => {
      const [before, after] = [baseline, cell].map((one) =>
        one.rounds.map(read).filter((value) => value !== undefined),
      );
      if (before === undefined || after === undefined || before.length === 0 || after.length === 0) return [];
      const interval = ratioOfMedians(before, after, { confidence: 0.95 });
      const higher = metric === 'ratePerSecond' ? interval.low > 1 : interval.high < 1;
      const lower = metric === 'ratePerSecond' ? interval.high < 1 : interval.low > 1;
      return [
        {
          scenarioId: cell.scenarioId,
          load: cell.load,
          baselineId: BASELINE,
          targetId: cell.targetId,
          metric,
          ...(mark === undefined ? {} : { mark }),
          ...interval,
          confidence: 0.95,
          better: higher ? 'target' : lower ? 'baseline' : 'undecided',
        },
      ];
    });
  });
}

/** A report as a run on a small machine would have made it; the same options give the same report. */
export function sampleReport(options: SampleOptions = {}): BenchReport {
  const random = seededRandom(options.seed ?? 7);
  const all = cells(options, random);
  const rounds = all.flatMap((cell) => cell.rounds);
  const startedAt = options.startedAt ?? '2026-11-20T09:30:00.000Z';
  return {
    schema: 'hyperskeleton-bench/1',
    startedAt,
    finishedAt: new Date(Date.parse(startedAt) + 540_000).toISOString(),
    interrupted: true,
    profile: 'default',
    commandLine: ['hyperskeleton', 'bench', '--baseline', BASELINE, '--report', 'html,md,json,csv'],
    baselineId: BASELINE,
    machine: {
      cpu: 'Intel(R) Xeon(R) Processor @ 2.90GHz',
      cores: 2,
      memoryBytes: 8 * 2 ** 30,
      kernel: '6.1.0-21-amd64',
      os: 'Debian GNU/Linux 12 (bookworm)',
      node: 'v20.20.2',
      packages: { autocannon: '9.0.0', 'hyper-express': '6.17.3', koffi: '3.3.4' },
      commit: '5643c394c3ad0c1f2b6c4f7b1b3b6f0c3d9e8a71',
      dirty: false,
    },
    noise: {
      calibrationMs: { median: 41.2, low: 40.6, high: 43.9 },
      calibrationSpread: 0.08,
      repeatedRounds: rounds.filter(({ repeated }) => repeated > 0).length,
      disturbedRounds: 1,
    },
    generator: {
      ceilings: [
        { connections: 1, ratePerSecond: { median: 9_800, low: 9_600, high: 10_100 } },
        { connections: 32, ratePerSecond: { median: 27_300, low: 26_100, high: 28_000 } },
      ],
      wrk: [
        { connections: 1, ratePerSecond: { median: 14_800, low: 14_100, high: 15_100 } },
        { connections: 32, ratePerSecond: { median: 36_900, low: 35_500, high: 37_800 } },
      ],
    },
    omissionProof: {
      stallMs: 500,
      everyMs: 5000,
      ratePerSecond: 200,
      naive: sampleLatency(2000, 1000, 2),
      fromDue: { ...sampleLatency(2000, 1000, 500), p50Us: 1040 },
    },
    targets: [...TARGETS],
    scenarios: [...SCENARIOS],
    cells: all,
    comparisons: comparisons(all),
  };
}
