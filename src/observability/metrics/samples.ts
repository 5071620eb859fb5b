import { type Exemplar, type HistogramData, HistogramWithExemplars } from './histogram.js';

type Labels = Readonly<Record<string, string | number>>;

/** No labels; one object for all lines. */
export const NO_LABELS: Labels = {};

/** One line of the exposition; a histogram's lines have names of their own. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
  /** As prom-client writes it into OpenMetrics. */
  readonly exemplar?: { readonly labelSet: Labels; readonly value: number; readonly timestamp: number };
}

/** What prom-client's registry calls of a metric when it makes the text, and what the docs tell of it. */
export interface Metric {
  name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** The names of its labels, `le` apart. */
  readonly labelNames: readonly string[];
  get(): Promise<object>;
}

interface Description {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export function counter(description: Description, values: () => Sample[]): Metric {
  return metric(description, 'counter', values);
}

export function gauge(description: Description, values: () => Sample[]): Metric {
  return metric(description, 'gauge', values);
}

export function histogram(description: Description, series: () => [Labels, HistogramData][]): Metric {
  return metric(description, 'histogram', () =>
    series().flatMap(([labels, data]) => lines(description.name, labels, data)),
  );
}

/** The line of a metric without labels; none where there is nothing to tell. */
export function optionalSample(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: NO_LABELS, value }];
}

/** What an exemplar may be named by: anything else a caller may have sent as an id stays out of the text. */
const SAFE_ID = /^[\w-]{1,64}$/;

function lines(name: string, labels: Labels, data: HistogramData): Sample[] {
  let total = 0;
  const samples: Sample[] = [];
  for (let bucket = 0; bucket <= data.bounds.length; bucket++) {
    total += data.counts[bucket] ?? 0;
    const le = data.bounds[bucket] ?? '+Inf';
    const line = { labels: { ...labels, le }, value: total, metricName: `${name}_bucket` };
    const exemplar = data instanceof HistogramWithExemplars ? data.exemplarOf(bucket) : undefined;
    samples.push(exemplar === undefined ? line : { ...line, ...exemplarLine(exemplar) });
  }
  samples.push({ labels, value: data.sum, metricName: `${name}_sum` });
  samples.push({ labels, value: total, metricName: `${name}_count` });
  return samples;
}

function exemplarLine({ label, id, value, atEpochMs }: Exemplar): Pick<Sample, 'exemplar'> {
  if (!SAFE_ID.test(id)) return {};
  return { exemplar: { labelSet: { [label]: id }, value, timestamp: atEpochMs / 1000 } };
}

function metric(
  { name, help, labels = [] }: Description,
  type: Metric['type'],
  values: () => Sample[],
): Metric {
  return {
    name,
    help,
    type,
    labelNames: labels,
    async get() {
      return { name, help, type, aggregator: 'sum', values: values() };
    },
  };
}
