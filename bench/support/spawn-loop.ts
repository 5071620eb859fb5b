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
}

/** Runs the loop in C on that many threads: what the machine can do at most. */
export async function runSpawnLoop(
  programs: Programs,
  threads: number,
  seconds: number,
): Promise<LoopReport> {
  const running = execute(programs.spawnLoop, [String(threads), String(seconds), programs.hello], {
    env: { PATH: process.env.PATH ?? '' },
  });
  const ended = onEnd(() => running.child.kill('SIGKILL'));
  try {
    return JSON.parse((await running).stdout) as LoopReport;
  } finally {
    ended();
  }
}
