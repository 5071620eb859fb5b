import { setTimeout as delay } from 'node:timers/promises';
import { median } from '../measure/statistics.js';
import type { MemoryReport, MemoryTask } from './memory-thread.js';
import { treePssBytes } from './processes.js';
import { Sampler } from './sampler.js';

const PEAK_EVERY_MS = 10;
const STEADY_SAMPLES = 11;
const STEADY_EVERY_MS = 100;

/** The unit of the goals: the smaller megabyte, so that they hold with either. */
export const MEGABYTE = 1_000_000;

/** Watches for the most memory that a process has, or it and all its descendants. */
export function watchPeak(pid: number, of: 'process' | 'tree'): Promise<Sampler<MemoryReport>> {
  const task: MemoryTask = { pid, of, everyMs: PEAK_EVERY_MS };
  return Sampler.start<MemoryReport>(new URL('./memory-thread.js', import.meta.url), task);
}

/** Memory of a process tree at rest: the median of a second. */
export async function steadyBytes(pid: number): Promise<number> {
  const samples: number[] = [];
  while (samples.length < STEADY_SAMPLES) {
    samples.push(treePssBytes(pid));
    await delay(STEADY_EVERY_MS);
  }
  return median(samples);
}
