import type { Gauges } from './gauges.js';
import type { HistogramData } from './histogram.js';
import type { Recorder } from './recorder.js';
import type { Snapshot } from './snapshot.js';

/** What metrics are collected from: what has been counted, and how the server stands at the moment of the scrape. */
export interface Scrape {
  readonly recorder: Recorder;
  readonly server: Snapshot<Gauges>;
}

/** The number of a series, or its histogram; undefined: the series is left out. */
export type Value = number | HistogramData | undefined;

/** The value of a series, behind the values of its labels in the order of their names. */
export type Series = readonly [labels: string | readonly string[], value: Value];

/** One metric: all that the page of metrics and its documentation tell of it. Its unit is the end of its name. */
export type Metric = { readonly type: 'counter' | 'gauge' | 'histogram'; readonly help: string } & (
  | { readonly labels?: undefined; readonly collect: (scrape: Scrape) => Value }
  /** `le` of a histogram is none of the labels. */
  | { readonly labels: readonly string[]; readonly collect: (scrape: Scrape) => Iterable<Series> }
);
