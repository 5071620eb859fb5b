import type { MetricName } from '../observability/metrics/metrics.js';
import type { ParsedSample } from './text-format.js';

/** The metrics that are asked for: the server's own, and prom-client's of the process. */
export type ShownMetric = MetricName | `process_${string}`;

type Labels = Readonly<Record<string, string>>;

/** A histogram's buckets: upper bounds, rising, and how many observations each has to itself. */
export interface Buckets {
  readonly bounds: readonly number[];
  readonly counts: readonly number[];
  readonly sum: number;
}

/** One scrape, to be asked for numbers by name. */
export class Snapshot {
  /** When it was taken, on a clock that only goes forward. */
  readonly atMs: number;
  readonly #byName: ReadonlyMap<string, readonly ParsedSample[]>;

  constructor(samples: readonly ParsedSample[], atMs: number) {
    this.atMs = atMs;
    this.#byName = grouped(samples);
  }

  /** The series of a metric that carry these labels, perhaps with others. */
  all(name: ShownMetric, labels: Labels = {}): readonly ParsedSample[] {
    return this.#all(name, labels);
  }

  #all(name: string, labels: Labels): readonly ParsedSample[] {
    const wanted = Object.entries(labels);
    return (this.#byName.get(name) ?? []).filter((sample) =>
      wanted.every(([label, value]) => sample.labels[label] === value),
    );
  }

  /** The one number of a metric; undefined where it is not there. */
  one(name: ShownMetric, labels: Labels = {}): number | undefined {
    return this.all(name, labels)[0]?.value;
  }

  /** A histogram; undefined where it is not there. */
  buckets(name: MetricName, labels: Labels = {}): Buckets | undefined {
    const rising = this.#all(`${name}_bucket`, labels)
      .map((sample) => ({ bound: boundOf(sample), total: sample.value }))
      .sort((one, other) => one.bound - other.bound);
    if (rising.length === 0) return undefined;
    return {
      bounds: rising.map(({ bound }) => bound),
      counts: rising.map(({ total }, at) => total - (rising[at - 1]?.total ?? 0)),
      sum: this.#all(`${name}_sum`, labels)[0]?.value ?? Number.NaN,
    };
  }
}

function boundOf({ labels: { le = '' } }: ParsedSample): number {
  return le === '+Inf' ? Number.POSITIVE_INFINITY : Number(le);
}

function grouped(samples: readonly ParsedSample[]): Map<string, ParsedSample[]> {
  const groups = new Map<string, ParsedSample[]>();
  for (const sample of samples) {
    const group = groups.get(sample.name);
    if (group === undefined) groups.set(sample.name, [sample]);
    else group.push(sample);
  }
  return groups;
}
