import { type Exemplar, type HistogramData, HistogramWithExemplars } from './histogram.js';
import type { Metric, Scrape, Series, Value } from './metric.js';

type Labels = Readonly<Record<string, string | number>>;

/** No labels; one object for all lines. */
const NO_LABELS: Labels = {};

/** One line of the exposition; a histogram's lines have names of their own. */
interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
  /** As prom-client writes it into OpenMetrics. */
  readonly exemplar?: { readonly labelSet: Labels; readonly value: number; readonly timestamp: number };
}

/** Collects the lines of a metric. */
export function samplesOf(name: string, metric: Metric, scrape: Scrape): Sample[] {
  if (metric.labels === undefined) return samplesOfSeries(name, NO_LABELS, metric.collect(scrape));
  return [...metric.collect(scrape)].flatMap(([labels, value]) =>
    samplesOfSeries(name, labelled(metric.labels, labels), value),
  );
}

function labelled(names: readonly string[], values: Series[0]): Labels {
  const list = typeof values === 'string' ? [values] : values;
  return Object.fromEntries(names.map((name, at) => [name, list[at] ?? '']));
}

function samplesOfSeries(name: string, labels: Labels, value: Value): Sample[] {
  if (value === undefined) return [];
  return typeof value === 'number' ? [{ labels, value }] : samplesOfHistogram(name, labels, value);
}

/** What an exemplar may be named by: anything else a caller may have sent as an id stays out of the text. */
const SAFE_ID = /^[\w-]{1,64}$/;

function samplesOfHistogram(name: string, labels: Labels, data: HistogramData): Sample[] {
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
