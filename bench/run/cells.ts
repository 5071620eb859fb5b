import { summarize } from '../measure/statistics.js';
import { peakMemory } from '../report/metrics.js';
import type { BenchCell, BenchLoad, BenchRound, BenchSummary } from '../report/schema.js';
import { overloadSummary } from './overload.js';

type Summary = NonNullable<BenchCell['summary']>;

/** Collects what one target did in one scenario under one load. */
export class CellBuilder {
  readonly targetId: string;
  readonly scenarioId: string;
  load: BenchLoad;
  readonly rounds: BenchRound[] = [];
  /** Of an overload: the same target's rounds below its capacity. */
  calm: readonly BenchRound[] = [];
  readonly #planned: number;
  #failure: string | undefined;
  #boundBy: BenchCell['boundBy'];

  constructor(targetId: string, scenarioId: string, load: BenchLoad, plannedRounds: number) {
    this.targetId = targetId;
    this.scenarioId = scenarioId;
    this.load = load;
    this.#planned = plannedRounds;
  }

  get hasFailed(): boolean {
    return this.#failure !== undefined;
  }

  /** Whether all rounds are there. */
  get isComplete(): boolean {
    return this.rounds.length >= this.#planned;
  }

  /** The first reason counts: what follows follows from it. */
  fail(reason: string): void {
    this.#failure ??= reason;
  }

  /** Adds a round; `byGenerator` when the generator was near its own limit in it. */
  add(round: BenchRound, byGenerator: boolean): void {
    this.rounds.push(round);
    if (byGenerator) this.#boundBy = 'generator';
    else this.#boundBy ??= 'target';
  }

  /** What the report holds: a failed cell has its rounds but no summary, nothing is averaged over wrong answers. */
  build(): BenchCell {
    const status = this.#failure !== undefined ? 'failed' : this.isComplete ? 'ok' : 'interrupted';
    const summary = status === 'failed' ? undefined : summarizeRounds(this.rounds, this.load, this.calm);
    return {
      targetId: this.targetId,
      scenarioId: this.scenarioId,
      load: this.load,
      status,
      ...(this.#failure === undefined ? {} : { reason: this.#failure }),
      ...(this.#boundBy === undefined ? {} : { boundBy: this.#boundBy }),
      rounds: this.rounds,
      ...(summary === undefined ? {} : { summary }),
    };
  }
}

/** Medians over rounds, with their spread; undefined without a round. */
function summarizeRounds(
  rounds: readonly BenchRound[],
  load: BenchLoad,
  calm: readonly BenchRound[],
): Summary | undefined {
  if (rounds.length === 0) return undefined;
  const over = (value: (round: BenchRound) => number | undefined): BenchSummary | undefined => {
    const values = rounds.map(value).filter((one): one is number => one !== undefined);
    return values.length === 0 ? undefined : summarize(values);
  };
  const ratePerSecond = summarize(rounds.map((round) => round.ratePerSecond));
  const names = [...new Set(rounds.flatMap((round) => Object.keys(round.marksMs ?? {})))];
  const marks = names.flatMap((name) => {
    const summary = over((round) => round.marksMs?.[name]);
    return summary === undefined ? [] : [[name, summary] as const];
  });
  return {
    ratePerSecond,
    ...defined({
      p50Us: over((round) => round.latency?.p50Us),
      p90Us: over((round) => round.latency?.p90Us),
      p99Us: over((round) => round.latency?.p99Us),
      p999Us: over((round) => round.latency?.p999Us),
      cpuSecondsPerActivation: over((round) => round.cpuSecondsPerActivation),
      peakMemoryBytes: over(peakMemory),
      marksMs: marks.length === 0 ? undefined : Object.fromEntries(marks),
      overload: overloadSummary(rounds, load, calm),
      capacityPerSecond: load.kind === 'capacity' ? ratePerSecond : undefined,
    }),
  };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };

/** The object without its undefined values: JSON has none. */
function defined<T extends object>(object: T): Defined<T> {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as Defined<T>;
}
