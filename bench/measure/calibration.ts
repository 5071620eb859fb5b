import type { BenchSummary } from '../report/schema.js';
import { summarize } from './statistics.js';

const STEPS = 4_000_000;
const WARM_UPS = 5;

/** One fixed piece of work, done now and then over the run: how much its duration varies is the machine's doing. */
export class Calibration {
  readonly #durationsMs: number[] = [];

  constructor() {
    // The first calls are slower: the compiler is at work.
    for (let i = 0; i < WARM_UPS; i++) work();
  }

  take(): void {
    const begin = performance.now();
    work();
    this.#durationsMs.push(performance.now() - begin);
  }

  /** The durations' summary, and (high − low) ÷ median. */
  report(): { calibrationMs: BenchSummary; calibrationSpread: number } {
    if (this.#durationsMs.length === 0) this.take();
    const calibrationMs = summarize(this.#durationsMs);
    return {
      calibrationMs,
      calibrationSpread: (calibrationMs.high - calibrationMs.low) / calibrationMs.median,
    };
  }
}

function work(): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < STEPS; i++) hash = Math.imul(hash ^ (i & 0xff), 0x01000193);
  return hash;
}
