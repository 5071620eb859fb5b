import { z } from 'zod';

/**
 * The report of a benchmark run, as JSON: what was measured, where, how sure it is. Durations are in
 * microseconds (`Us`) or milliseconds (`Ms`), sizes in bytes; rates are per second.
 */

/** A median over rounds, the lowest and the highest round. */
const summary = z.object({ median: z.number(), low: z.number(), high: z.number() });

/** Latencies of one round; `curve` holds [share of requests, µs] points up to the maximum. */
const latency = z.object({
  count: z.int(),
  minUs: z.number(),
  meanUs: z.number(),
  p50Us: z.number(),
  p75Us: z.number(),
  p90Us: z.number(),
  p99Us: z.number(),
  p999Us: z.number(),
  maxUs: z.number(),
  curve: z.array(z.tuple([z.number(), z.number()])),
});

/** How the load was applied. */
const load = z.discriminatedUnion('kind', [
  /** Each connection sends again as soon as it has its answer. */
  z.object({ kind: z.literal('closed'), connections: z.int() }),
  /** Requests are due at a fixed rate; latency counts from when each was due. */
  z.object({
    kind: z.literal('open'),
    connections: z.int(),
    ratePerSecond: z.number(),
    /** The rate is so many times the capacity that was found for this very target just before. */
    factor: z.number().optional(),
  }),
  /** The highest open-loop rate whose p99 stays under the limit. */
  z.object({ kind: z.literal('capacity'), connections: z.int(), p99LimitUs: z.number() }),
  /** One server start per round; the latencies are named in `marks`. */
  z.object({ kind: z.literal('cold') }),
  /** One large request at a time. */
  z.object({ kind: z.literal('init') }),
]);

const noise = z.object({
  /** Share of the machine's CPU that neither the load, nor the target, nor their children had. */
  othersShare: z.number(),
  /** Stolen CPU time as a share (proc(5), /proc/stat). */
  stealShare: z.number(),
  /** /proc/pressure/cpu "some", share of the round; absent where the kernel has none. */
  psiCpuShare: z.number().optional(),
});

const round = z.object({
  startedAt: z.iso.datetime(),
  seconds: z.number(),
  /** 0 for a first attempt, 1 when the round was repeated once because of neighbours, … */
  repeated: z.int(),
  requests: z.int(),
  ratePerSecond: z.number(),
  latency: latency.optional(),
  /** Named single durations, such as `listen` and `firstAnswer` of a cold start, in ms. */
  marksMs: z.record(z.string(), z.number()).optional(),
  /** Answers by what was wrong with them: `status 502`, `body`, `connection`, `timeout`. */
  errors: z.record(z.string(), z.int()),
  /** CPU of the target's whole process tree per activation. */
  cpuSecondsPerActivation: z.number().optional(),
  /** [ms since the round's begin, bytes] of the target's whole tree (PSS). */
  memory: z.array(z.tuple([z.number(), z.number()])),
  /** [ms since the round's begin, CPUs in use] of the target's whole tree. */
  cpu: z.array(z.tuple([z.number(), z.number()])),
  noise,
  /** The share of the whole machine's CPU that the load generator itself had. */
  generatorCpuShare: z.number().optional(),
  /** Of an open loop: how late the generator sent, at p99, what was due while a connection was free. */
  senderLateP99Us: z.number().optional(),
});

/** What one target did in one scenario under one load. */
const cell = z.object({
  targetId: z.string(),
  scenarioId: z.string(),
  load,
  status: z.enum(['ok', 'failed', 'absent', 'interrupted', 'unsupported']),
  /** Why there is no number: the target's absence, wrong answers, a start that failed (with its log's tail). */
  reason: z.string().optional(),
  /** `generator` when the load generator's own ceiling was near. */
  boundBy: z.enum(['target', 'generator']).optional(),
  rounds: z.array(round),
  /** Over rounds; absent without any. */
  summary: z
    .object({
      ratePerSecond: summary,
      p50Us: summary.optional(),
      p90Us: summary.optional(),
      p99Us: summary.optional(),
      p999Us: summary.optional(),
      cpuSecondsPerActivation: summary.optional(),
      peakMemoryBytes: summary.optional(),
      marksMs: z.record(z.string(), summary).optional(),
      /** Found by the capacity search. */
      capacityPerSecond: summary.optional(),
      /** Where the rate is a multiple of the target's capacity. */
      overload: z
        .object({
          /** Answers 429 ÷ requests that were due. */
          refusedShare: summary,
          /** Requests without any answer, by round. */
          lost: summary,
          /** The p99 of what was let in ÷ the p99 at the lowest of the scenario's multiples, round by round. */
          p99OverCalm: summary.optional(),
        })
        .optional(),
    })
    .optional(),
});

/** A ratio target ÷ baseline of paired rounds, with the bootstrap's confidence interval. */
const comparison = z.object({
  scenarioId: z.string(),
  load,
  baselineId: z.string(),
  targetId: z.string(),
  metric: z.enum(['ratePerSecond', 'p50Us', 'p99Us', 'cpuSecondsPerActivation', 'peakMemoryBytes', 'mark']),
  /** The mark's name where the metric is `mark`. */
  mark: z.string().optional(),
  ratio: z.number(),
  low: z.number(),
  high: z.number(),
  /** Of the interval, as 0.95. */
  confidence: z.number(),
  better: z.enum(['target', 'baseline', 'undecided']),
});

const target = z.object({
  id: z.string(),
  title: z.string(),
  /** One sentence: what it is, how its requests map to the contract. */
  description: z.string(),
  protocol: z.enum(['classic', 'actionloop', 'plain', 'none']),
  engine: z.string().optional(),
  version: z.string().optional(),
  command: z.array(z.string()).optional(),
  url: z.string().optional(),
  present: z.boolean(),
  absentReason: z.string().optional(),
  /** Whether it is no runtime but a limit: the C loop, the bare front end. */
  reference: z.boolean(),
  /** The most activations that it serves at once, where that is known to be one. */
  concurrency: z.int().optional(),
});

const scenario = z.object({ id: z.string(), title: z.string(), description: z.string() });

/** Published as JSON Schema in docs/. */
export const reportSchema = z.object({
  schema: z.literal('hyperskeleton-bench/1'),
  startedAt: z.iso.datetime(),
  finishedAt: z.iso.datetime(),
  interrupted: z.boolean(),
  profile: z.enum(['quick', 'default', 'full']),
  commandLine: z.array(z.string()),
  baselineId: z.string().optional(),
  machine: z.object({
    cpu: z.string(),
    cores: z.int(),
    memoryBytes: z.number(),
    kernel: z.string(),
    os: z.string(),
    node: z.string(),
    packages: z.record(z.string(), z.string()),
    commit: z.string().optional(),
    dirty: z.boolean().optional(),
  }),
  noise: z.object({
    /** Durations of one fixed piece of work over the run, in ms. */
    calibrationMs: summary,
    /** (high − low) ÷ median of the calibration. */
    calibrationSpread: z.number(),
    repeatedRounds: z.int(),
    disturbedRounds: z.int(),
  }),
  generator: z
    .object({
      /** Of the generator against the bare answer, by connections. */
      ceilings: z.array(z.object({ connections: z.int(), ratePerSecond: summary })),
      /** wrk against the same server in the same run; absent where wrk is not installed. */
      wrk: z.array(z.object({ connections: z.int(), ratePerSecond: summary })).optional(),
    })
    .optional(),
  /** A target that stalls on purpose, measured both ways: what a closed loop hides. */
  omissionProof: z
    .object({
      stallMs: z.number(),
      everyMs: z.number(),
      ratePerSecond: z.number(),
      naive: latency,
      fromDue: latency,
    })
    .optional(),
  targets: z.array(target),
  scenarios: z.array(scenario),
  cells: z.array(cell),
  comparisons: z.array(comparison),
});

export type BenchReport = z.infer<typeof reportSchema>;
export type BenchTarget = z.infer<typeof target>;
export type BenchScenario = z.infer<typeof scenario>;
export type BenchCell = z.infer<typeof cell>;
export type BenchRound = z.infer<typeof round>;
export type BenchLoad = z.infer<typeof load>;
export type BenchLatency = z.infer<typeof latency>;
export type BenchComparison = z.infer<typeof comparison>;
export type BenchSummary = z.infer<typeof summary>;
export type BenchNoise = z.infer<typeof noise>;
