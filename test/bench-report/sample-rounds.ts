import type { BenchCell, BenchLatency, BenchRound, BenchSummary } from '../../bench/report/schema.js';

/** Rounds with seeded noise, as a benchmark would have measured them. */

/** What a target is like in one scenario under one load; everything else of its rounds follows. */
export interface Behaviour {
  readonly rate: number;
  readonly p50Us: number;
  /** How much longer the slowest 0.1 % take than the median. */
  readonly tail: number;
  readonly cpuSeconds: number;
  readonly memoryMiB: number;
  readonly marksMs?: Record<string, number>;
  readonly errors?: Record<string, number>;
  readonly hasLatency?: boolean;
}

export type Random = () => number;

const SECONDS = 3;
const START = Date.parse('2026-11-20T09:30:00Z');

/** Around 1, within ± `width`. */
const jitter = (random: Random, width: number): number => 1 + (random() * 2 - 1) * width;

/** A long-tailed distribution through the median, read off at shares that grow denser towards 1. */
export function sampleLatency(count: number, p50Us: number, tail: number): BenchLatency {
  const at = (share: number): number => {
    const nines = -Math.log10(1 - Math.min(share, 1 - 1 / (count + 1)));
    return Math.round(p50Us * (0.8 + 0.2 * (share / 0.5)) * tail ** (Math.max(0, nines - 0.30103) / 2.7));
  };
  const shares = [0];
  for (let nines = 0.1; 10 ** nines < count; nines += 0.1) shares.push(1 - 10 ** -nines);
  shares.push(1);
  return {
    count,
    minUs: at(0),
    meanUs: at(0.6),
    p50Us: at(0.5),
    p75Us: at(0.75),
    p90Us: at(0.9),
    p99Us: at(0.99),
    p999Us: at(0.999),
    maxUs: at(1),
    curve: shares.map((share): [number, number] => [share, at(share)]),
  };
}

/** One round; every tenth or so was repeated because of neighbours. */
export function sampleRound(behaviour: Behaviour, index: number, random: Random): BenchRound {
  const rate = behaviour.rate * jitter(random, 0.05);
  const requests = Math.max(1, Math.round(rate * SECONDS));
  const samples = Array.from({ length: 13 }, (_, sample) => sample * 250);
  const cpus = Math.min(1.9, behaviour.rate * behaviour.cpuSeconds);
  const marks = Object.entries(behaviour.marksMs ?? {});
  return {
    startedAt: new Date(START + index * 60_000).toISOString(),
    seconds: SECONDS,
    repeated: random() < 0.1 ? 1 : 0,
    requests,
    ratePerSecond: rate,
    ...(behaviour.hasLatency === false
      ? {}
      : {
          latency: sampleLatency(
            requests,
            behaviour.p50Us * jitter(random, 0.04),
            behaviour.tail * jitter(random, 0.2),
          ),
        }),
    ...(marks.length === 0
      ? {}
      : {
          marksMs: Object.fromEntries(marks.map(([name, ms]) => [name, ms * jitter(random, 0.06)])),
        }),
    errors: behaviour.errors ?? {},
    cpuSecondsPerActivation: behaviour.cpuSeconds * jitter(random, 0.04),
    memory: samples.map((ms): [number, number] => [
      ms,
      Math.round(behaviour.memoryMiB * 2 ** 20 * (0.9 + 0.1 * Math.min(1, ms / 900)) * jitter(random, 0.02)),
    ]),
    cpu: samples.slice(1).map((ms): [number, number] => [ms, cpus * jitter(random, 0.12)]),
    noise: { othersShare: 0.01 * random(), stealShare: 0.002 * random(), psiCpuShare: 0.1 * random() },
  };
}

/** The median, lowest and highest of what the rounds have; undefined when one has nothing. */
function over(
  rounds: readonly BenchRound[],
  read: (round: BenchRound) => number | undefined,
): BenchSummary | undefined {
  const values = rounds.map(read);
  const numbers = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  const [low, high] = [numbers[0], numbers.at(-1)];
  if (low === undefined || high === undefined || numbers.length < values.length) return undefined;
  return { median: numbers[numbers.length >> 1] ?? low, low, high };
}

/** The summary that the benchmark would have made of these rounds. */
export function summarised(rounds: readonly BenchRound[]): NonNullable<BenchCell['summary']> {
  const optional = {
    p50Us: over(rounds, (round) => round.latency?.p50Us),
    p90Us: over(rounds, (round) => round.latency?.p90Us),
    p99Us: over(rounds, (round) => round.latency?.p99Us),
    p999Us: over(rounds, (round) => round.latency?.p999Us),
    cpuSecondsPerActivation: over(rounds, (round) => round.cpuSecondsPerActivation),
    peakMemoryBytes: over(rounds, (round) => Math.max(...round.memory.map(([, bytes]) => bytes))),
  };
  const marks = Object.keys(rounds[0]?.marksMs ?? {}).map((name) => [
    name,
    over(rounds, (round) => round.marksMs?.[name]),
  ]);
  return {
    ratePerSecond: over(rounds, (round) => round.ratePerSecond) ?? { median: 0, low: 0, high: 0 },
    ...Object.fromEntries(Object.entries(optional).filter(([, summary]) => summary !== undefined)),
    ...(marks.length === 0 ? {} : { marksMs: Object.fromEntries(marks) }),
  };
}
