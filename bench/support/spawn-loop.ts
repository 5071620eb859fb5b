import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { onEnd } from './cleanup.js';
import type { Programs } from './programs.js';

const execute = promisify(execFile);

/** What the loop in C reports. */
export interface LoopReport {
  readonly threads: number;
  readonly seconds: number;
  readonly activations: number;
  readonly ratePerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Of the loop and all programs that it ran. */
  readonly cpuSeconds: number;
  /** Sorted: all of them, or a thousand evenly apart, the longest included. */
  readonly latenciesUs: readonly number[];
}

/** Runs the loop in C on that many threads: what the machine can do at most. */
export async function runSpawnLoop(
  programs: Programs,
  threads: number,
  seconds: number,
  signal?: AbortSignal,
): Promise<LoopReport> {
  const running = execute(programs.spawnLoop, [String(threads), String(seconds), programs.hello], {
    env: { PATH: process.env.PATH ?? '' },
    ...(signal === undefined ? {} : { signal }),
  });
  const ended = onEnd(() => running.child.kill('SIGKILL'));
  try {
    return JSON.parse((await running).stdout) as LoopReport;
  } finally {
    ended();
  }
}
