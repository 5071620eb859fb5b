import { LatencyRecorder } from '../measure/latency.js';
import type { BenchLoad } from '../report/schema.js';
import { runSpawnLoop } from '../support/spawn-loop.js';
import type { FoundTarget } from '../targets/running.js';
import type { Outcome, Watch } from './round.js';
import type { Session } from './session.js';

/** Beyond this, more threads make the loop slower. */
const MAX_THREADS = 8;

/** The loop in C among the members of a scenario. */
export class SpawnLoopMember implements Watch {
  readonly target: FoundTarget;
  readonly #session: Session;

  constructor(session: Session, target: FoundTarget) {
    this.target = target;
    this.#session = session;
  }

  get id(): string {
    return this.target.definition.id;
  }

  /** It lives for one load only, and reports its CPU time itself. */
  pid(): undefined {
    return undefined;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  async apply(load: BenchLoad, seconds: number): Promise<Outcome> {
    if (load.kind !== 'closed') throw new RangeError('the loop knows closed loads only');
    const threads = Math.min(MAX_THREADS, load.connections);
    const { programs, signal } = this.#session;
    const report = await runSpawnLoop(programs, threads, seconds, signal).catch((error: unknown) => {
      this.#session.check();
      throw error;
    });
    const recorder = new LatencyRecorder();
    for (const us of report.latenciesUs) recorder.record(us);
    const latency = recorder.report();
    return {
      seconds: report.seconds,
      requests: report.activations,
      activations: report.activations,
      ratePerSecond: report.ratePerSecond,
      latency: latency === undefined ? undefined : { ...latency, count: report.activations },
      errors: {},
      cpuSeconds: report.cpuSeconds,
    };
  }

  settle(): Promise<void> {
    return Promise.resolve();
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
