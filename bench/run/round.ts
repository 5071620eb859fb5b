import { cpus } from 'node:os';
import { type ErrorCounts, totalErrors } from '../load/exchange.js';
import { noiseBetween, readTicks, TOLERATED_SHARE, untilQuiet } from '../measure/noise.js';
import type { TreeReport, TreeTask } from '../measure/tree-thread.js';
import type { BenchLatency, BenchRound } from '../report/schema.js';
import { TICKS_PER_SECOND, treeTicks } from '../support/processes.js';
import { Sampler } from '../support/sampler.js';
import type { Session } from './session.js';

const SAMPLE_EVERY_MS = 200;
const QUIET_PATIENCE_MS = 3000;

/** What a load found, whichever kind it was. */
export interface Outcome {
  readonly seconds: number;
  /** Right answers in the measured time. */
  readonly requests: number;
  readonly ratePerSecond: number;
  readonly latency?: BenchLatency | undefined;
  readonly marksMs?: Record<string, number>;
  readonly errors: ErrorCounts;
  /** Of what was sent before the measured time. */
  readonly warmUpErrors?: ErrorCounts;
  /** What the first wrong answer was. */
  readonly example?: string | undefined;
  /** All activations, also those outside of the measured time: what the CPU time is divided by. */
  readonly activations: number;
  /** CPU time where the load knows it better than /proc: what has ended already. */
  readonly cpuSeconds?: number;
  /** Memory where the load took it at chosen moments. */
  readonly memory?: [number, number][];
  /** Share of the time in which the generator's thread was busy. */
  readonly busyShare?: number;
  readonly senderLateP99Us?: number;
}

/** A round as the report holds it, and what it came from. */
interface Measured {
  readonly round: BenchRound;
  readonly outcome: Outcome;
}

/** What is watched while a load runs. */
export interface Watch {
  /** Of the server; undefined when its processes can't be seen or don't live long enough. */
  pid(): number | undefined;
  readonly sampleEveryMs?: number;
}

/**
 * Measures one round, with CPU, memory and noise beside it. When neighbours disturbed it, it is measured once
 * more, and the quieter of the two counts; how often that happened is part of the report.
 */
export async function measureRound(
  session: Session,
  watch: Watch,
  load: () => Promise<Outcome>,
): Promise<Measured> {
  session.calibration.take();
  const begin = performance.now();
  const first = await measureOnce(session, watch, load, 0);
  const tookMs = performance.now() - begin;
  if (isQuiet(first) || totalErrors(first.outcome.errors) > 0) return first;
  if (!session.mayRepeat(tookMs + QUIET_PATIENCE_MS / 2)) return first;
  const againMs = performance.now();
  await untilQuiet(session.pids, QUIET_PATIENCE_MS);
  session.check();
  session.view.again();
  const second = await measureOnce(session, watch, load, 1);
  session.view.extra((performance.now() - againMs) / 1000);
  const quieter = second.round.noise.othersShare <= first.round.noise.othersShare;
  const kept = quieter || totalErrors(second.outcome.errors) > 0 ? second : first;
  return { ...kept, round: { ...kept.round, repeated: 1 } };
}

function isQuiet({ round }: Measured): boolean {
  return !isDisturbed(round);
}

/** Whether neighbours had more of the machine than can be overlooked. */
export function isDisturbed({ noise }: BenchRound): boolean {
  return noise.othersShare > TOLERATED_SHARE;
}

async function measureOnce(
  session: Session,
  watch: Watch,
  load: () => Promise<Outcome>,
  repeated: number,
): Promise<Measured> {
  const pid = watch.pid();
  const sampler = pid === undefined ? undefined : await startSampler(pid, watch.sampleEveryMs);
  try {
    const startedAt = new Date().toISOString();
    const before = readTicks(session.pids);
    const targetBefore = pid === undefined ? 0 : treeTicks(pid);
    const ownBefore = process.cpuUsage();
    const beginMs = performance.now();
    const outcome = await load();
    const own = process.cpuUsage(ownBefore);
    const spentMs = performance.now() - beginMs;
    const targetTicks = pid === undefined ? 0 : treeTicks(pid) - targetBefore;
    const noise = noiseBetween(before, readTicks(session.pids));
    session.check();
    const tree = await sampler?.stop();
    const cpuSeconds = outcome.cpuSeconds ?? (targetTicks > 0 ? targetTicks / TICKS_PER_SECOND : undefined);
    const { latency, marksMs, senderLateP99Us } = outcome;
    const round: BenchRound = {
      startedAt,
      seconds: outcome.seconds,
      repeated,
      requests: outcome.requests,
      ratePerSecond: outcome.ratePerSecond,
      ...(latency === undefined ? {} : { latency }),
      ...(marksMs === undefined ? {} : { marksMs }),
      errors: outcome.errors,
      ...(cpuSeconds === undefined || outcome.activations === 0
        ? {}
        : { cpuSecondsPerActivation: cpuSeconds / outcome.activations }),
      memory: outcome.memory ?? tree?.memory ?? [],
      cpu: tree?.cpu ?? [],
      noise,
      generatorCpuShare: Math.min(1, (own.user + own.system) / 1000 / spentMs / cpus().length),
      ...(senderLateP99Us === undefined ? {} : { senderLateP99Us }),
    };
    return { round, outcome };
  } finally {
    await sampler?.end();
  }
}

function startSampler(pid: number, everyMs = SAMPLE_EVERY_MS): Promise<Sampler<TreeReport>> {
  const task: TreeTask = { pid, everyMs };
  return Sampler.start<TreeReport>(new URL('../measure/tree-thread.js', import.meta.url), task);
}
