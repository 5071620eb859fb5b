import { execFileSync } from 'node:child_process';
import { closedLoop, median } from '../support/load.js';
import type { Programs } from '../support/programs.js';
import { Target } from '../support/target.js';
import type { Effort, Finding } from './goal.js';

interface LoopResult {
  readonly threads: number;
  readonly ratePerSecond: number;
  readonly p50Us: number;
}

const THREADS = [1, 2, 4, 8];
const EXPECTED = '{"hello":"world"}';
const RATE_RATIO = 0.55;
const LATENCY_RATIO = 2;

function loop({ spawnLoop, hello }: Programs, threads: number, seconds: number): LoopResult {
  return JSON.parse(
    execFileSync(spawnLoop, [hello, String(threads), String(seconds)], { encoding: 'utf8' }),
  ) as LoopResult;
}

/** The whole path against the bare loop of posix_spawn, in interleaved rounds of one run. */
export async function throughput(programs: Programs, { rounds, seconds }: Effort): Promise<Finding[]> {
  const trials = THREADS.map((threads) => loop(programs, threads, seconds));
  const best = trials.reduce((a, b) => (a.ratePerSecond >= b.ratePerSecond ? a : b)).threads;
  const target = await Target.start();
  const rates: number[] = [];
  const latencies: number[] = [];
  const facts: string[] = [];
  const latencyFacts: string[] = [];
  try {
    target.install({ program: programs.hello });
    await closedLoop(target.url('/run'), 8, 1, EXPECTED);
    for (let round = 0; round < rounds; round++) {
      const bare = loop(programs, best, seconds);
      const whole = await closedLoop(target.url('/run'), 32, seconds, EXPECTED);
      rates.push(whole.ratePerSecond / bare.ratePerSecond);
      facts.push(`${whole.ratePerSecond.toFixed(0)}/${bare.ratePerSecond.toFixed(0)}`);
      const single = loop(programs, 1, seconds);
      const one = await closedLoop(target.url('/run'), 1, seconds, EXPECTED);
      latencies.push(one.p50Us / single.p50Us);
      latencyFacts.push(`${one.p50Us.toFixed(0)}/${single.p50Us.toFixed(0)}`);
    }
  } finally {
    await target.stop();
  }
  const rate = median(rates);
  const latency = median(latencies);
  return [
    {
      what: `activations/s, 32 connections, against the loop with ${best} threads (${facts.join(', ')})`,
      measured: `${rate.toFixed(2)}x`,
      target: `>= ${RATE_RATIO}x`,
      reached: rate >= RATE_RATIO,
    },
    {
      what: `p50 in µs, 1 connection, against the loop with 1 thread (${latencyFacts.join(', ')})`,
      measured: `${latency.toFixed(2)}x`,
      target: `<= ${LATENCY_RATIO.toFixed(1)}x`,
      reached: latency <= LATENCY_RATIO,
    },
  ];
}
