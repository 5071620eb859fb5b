import { type ErrorCode, rowOf } from '../errors/table.js';
import type { InitAnswer, RunAnswer } from '../pool/messages.js';
import { Distribution } from './distribution.js';

/** A static hello takes under a millisecond, a timeout a minute or five. */
const ACTIVATION_BOUNDS_SECONDS = [
  0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300,
];
const INIT_BOUNDS_SECONDS = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 60];

/** The parts of an activation's time. */
export const PHASES = ['queue', 'start', 'run', 'total'] as const;
export type Phase = (typeof PHASES)[number];

/** Gauges are asked for when they are scraped. */
export interface Gauges {
  readonly inFlight: () => number;
  readonly queued: () => number;
  readonly workerThreads: () => number;
  readonly engine: () => string;
  /** Processes that activations have left behind; undefined where the kernel does not tell. */
  readonly survivors: () => number | undefined;
  /** The processes of an ActionLoop action; undefined in the classic protocol. */
  readonly loop: () => LoopGauges | undefined;
}

/** How the processes of an ActionLoop action stand. */
export interface LoopGauges {
  readonly processes: number;
  readonly busy: number;
  readonly started: number;
  /** That ended without being told to. */
  readonly lost: number;
  readonly extraLines: number;
}

/** Counts what happens; prom-client turns the numbers into text when somebody asks for it. */
export class Recorder {
  readonly activations = new Map<string, number>();
  readonly inits = new Map<string, number>();
  /** Requests that were refused before anything was done for them, by error code. */
  readonly refusals = new Map<string, number>();
  readonly phases: Readonly<Record<Phase, Distribution>> = {
    queue: new Distribution(ACTIVATION_BOUNDS_SECONDS),
    start: new Distribution(ACTIVATION_BOUNDS_SECONDS),
    run: new Distribution(ACTIVATION_BOUNDS_SECONDS),
    total: new Distribution(ACTIVATION_BOUNDS_SECONDS),
  };
  readonly initSeconds = new Distribution(INIT_BOUNDS_SECONDS);
  logBytes = 0;
  childCpuSeconds = 0;
  workersLost = 0;
  leftoversKilled = 0;
  readonly gauges: Gauges;
  #exposition: Promise<import('./exposition.js').Exposition> | undefined;

  constructor(gauges: Gauges) {
    this.gauges = gauges;
  }

  /**
   * An activation has been answered.
   *
   * @param traceparent the trace it belongs to; it becomes the exemplar of the total
   */
  observeRun(
    { failure, facts }: RunAnswer,
    queuedMs: number,
    totalMs: number,
    traceparent: string | undefined,
  ): void {
    count(this.activations, outcomeOf(failure?.code));
    if (failure?.code === 'overloaded') {
      this.countRefusal(failure.code);
      return;
    }
    this.phases.queue.observe(queuedMs / 1000);
    this.phases.total.observe(totalMs / 1000, traceparent);
    this.leftoversKilled += facts.leftoversKilled ?? 0;
    if (facts.startMs !== undefined) this.phases.start.observe(facts.startMs / 1000);
    if (facts.runMs !== undefined) this.phases.run.observe(facts.runMs / 1000);
    this.logBytes += facts.logBytes;
    const usage = facts.exit?.usage;
    if (usage !== undefined) this.childCpuSeconds += usage.userCpuSeconds + usage.systemCpuSeconds;
  }

  /** A request that was refused before anything was done for it. */
  countRefusal(code: ErrorCode): void {
    count(this.refusals, code);
  }

  observeInit({ failure }: InitAnswer, totalMs: number): void {
    count(this.inits, outcomeOf(failure?.code));
    this.initSeconds.observe(totalMs / 1000);
  }

  /**
   * The metrics as text.
   *
   * @param accept the scraper's Accept header: OpenMetrics where it asks for it
   */
  async scrape(accept: string | undefined): Promise<{ type: string; text: string }> {
    // prom-client costs start-up time and memory: who never scrapes never pays.
    this.#exposition ??= import('./exposition.js').then(({ Exposition }) => new Exposition(this));
    return (await this.#exposition).text(accept);
  }
}

/** The label of an outcome: `ok`, or what the error table says. */
function outcomeOf(code: ErrorCode | undefined): string {
  return code === undefined ? 'ok' : (rowOf(code).outcome ?? 'internal');
}

function count(counts: Map<string, number>, label: string): void {
  counts.set(label, (counts.get(label) ?? 0) + 1);
}
