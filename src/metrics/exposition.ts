import prometheus from 'prom-client';
import { traceIdOf } from '../contract/trace-context.js';
import { ERRORS, type ErrorCode } from '../errors/table.js';
import type { Distribution } from './distribution.js';
import * as names from './names.js';
import { PHASES, type Recorder } from './recorder.js';

type Labels = Record<string, string | number>;

/** One line of the exposition; a histogram's lines have names of their own. */
interface Sample {
  readonly labels: Labels;
  readonly value: number;
  readonly metricName?: string;
  /** As prom-client writes it into OpenMetrics. */
  readonly exemplar?: { readonly labelSet: Labels; readonly value: number; readonly timestamp: number };
}

/** What prom-client's registry calls of a metric when it makes the text. */
export interface Metric {
  name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  get(): Promise<object>;
}

/** Every outcome an activation can have, so that each series is there before it first happens. */
const OUTCOMES = [
  'ok',
  ...new Set(Object.values(ERRORS).flatMap((row) => ('outcome' in row ? [row.outcome as string] : []))),
];

/** What a request can be refused for, so that each series is there before it first happens. */
const REFUSAL_CODES: readonly ErrorCode[] = ['overloaded', 'body_too_large', 'malformed_request', 'draining'];

/** Turns the recorder's numbers into Prometheus text or OpenMetrics. */
export class Exposition {
  readonly #recorder: Recorder;
  // One for each format: prom-client renames the counters of a registry that speaks OpenMetrics.
  #plain: prometheus.Registry | undefined;
  #open: prometheus.Registry | undefined;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  async text(accept: string | undefined): Promise<{ type: string; text: string }> {
    const registry = accept?.includes('application/openmetrics-text')
      ? this.#openMetrics()
      : this.#prometheus();
    return { type: registry.contentType, text: await registry.metrics() };
  }

  #prometheus(): prometheus.Registry {
    this.#plain ??= filled(new prometheus.Registry(), this.#recorder);
    return this.#plain;
  }

  #openMetrics(): prometheus.Registry {
    if (this.#open === undefined) {
      const registry = new prometheus.Registry<prometheus.OpenMetricsContentType>();
      registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE);
      this.#open = filled(registry as unknown as prometheus.Registry, this.#recorder);
    }
    return this.#open;
  }
}

function filled(registry: prometheus.Registry, recorder: Recorder): prometheus.Registry {
  for (const metric of metricsOf(recorder)) registry.registerMetric(metric as unknown as prometheus.Metric);
  prometheus.collectDefaultMetrics({ register: registry });
  return registry;
}

/** The metrics of this server itself, those of Node and the process apart. */
export function metricsOf(recorder: Recorder): Metric[] {
  const { gauges } = recorder;
  return [
    counter(names.ACTIVATIONS_TOTAL, 'Activations answered, by outcome.', () =>
      byOutcome(recorder.activations),
    ),
    histogram(
      names.ACTIVATION_SECONDS,
      'Time of an activation by phase: queue (request received until handed to a worker), start (until its process runs), run (until that has exited), total (until answered).',
      () => PHASES.map((phase) => [{ phase }, recorder.phases[phase]]),
    ),
    counter(
      names.REFUSALS_TOTAL,
      'Requests refused before anything was done for them, by error code (docs/errors.md).',
      () => REFUSAL_CODES.map((code) => ({ labels: { code }, value: recorder.refusals.get(code) ?? 0 })),
    ),
    gauge(names.IN_FLIGHT, 'Activations under way.', () => [{ labels: {}, value: gauges.inFlight() }]),
    gauge(names.QUEUED, 'Activations that wait for a place.', () => [{ labels: {}, value: gauges.queued() }]),
    counter(names.INITS_TOTAL, 'Inits answered, by outcome.', () => byOutcome(recorder.inits)),
    histogram(names.INIT_SECONDS, 'Time of an init from request to answer.', () => [
      [{}, recorder.initSeconds],
    ]),
    counter(names.LOG_BYTES_TOTAL, 'Bytes of log that activations wrote.', () => [
      { labels: {}, value: recorder.logBytes },
    ]),
    counter(names.CHILD_CPU_SECONDS_TOTAL, 'CPU time of the processes of activations.', () => [
      { labels: {}, value: recorder.childCpuSeconds },
    ]),
    gauge(names.SURVIVORS, 'Processes that activations have left behind and that live.', () =>
      measured(gauges.survivors()),
    ),
    counter(
      names.LEFTOVERS_KILLED_TOTAL,
      'Processes that activations had left behind and that were killed.',
      () => [{ labels: {}, value: recorder.leftoversKilled }],
    ),
    gauge(names.LOOP_PROCESSES, 'ActionLoop: processes of the action, by state.', () => {
      const loop = gauges.loop();
      return loop === undefined
        ? []
        : [
            { labels: { state: 'busy' }, value: loop.busy },
            { labels: { state: 'idle' }, value: loop.processes - loop.busy },
          ];
    }),
    counter(names.LOOP_STARTS_TOTAL, 'ActionLoop: processes of the action that were started.', () =>
      measured(gauges.loop()?.started),
    ),
    counter(names.LOOP_LOST_TOTAL, 'ActionLoop: processes that ended without being told to.', () =>
      measured(gauges.loop()?.lost),
    ),
    counter(
      names.LOOP_EXTRA_LINES_TOTAL,
      'ActionLoop: lines that answered no activation and were dropped.',
      () => measured(gauges.loop()?.extraLines),
    ),
    gauge(names.WORKER_THREADS, 'Worker threads that live.', () => [
      { labels: {}, value: gauges.workerThreads() },
    ]),
    counter(names.WORKERS_LOST_TOTAL, 'Worker threads that died and were replaced.', () => [
      { labels: {}, value: recorder.workersLost },
    ]),
    gauge(names.BUILD_INFO, 'Always 1; its labels say what runs.', () => [
      { labels: { engine: gauges.engine(), node: process.version }, value: 1 },
    ]),
  ];
}

/** No line where there is nothing to tell. */
function measured(value: number | undefined): Sample[] {
  return value === undefined ? [] : [{ labels: {}, value }];
}

function byOutcome(counts: ReadonlyMap<string, number>): Sample[] {
  return OUTCOMES.map((outcome) => ({ labels: { outcome }, value: counts.get(outcome) ?? 0 }));
}

function counter(name: string, help: string, values: () => Sample[]): Metric {
  return metric(name, help, 'counter', values);
}

function gauge(name: string, help: string, values: () => Sample[]): Metric {
  return metric(name, help, 'gauge', values);
}

function histogram(name: string, help: string, series: () => [Labels, Distribution][]): Metric {
  return metric(name, help, 'histogram', () =>
    series().flatMap(([labels, data]) => lines(name, labels, data)),
  );
}

function lines(name: string, labels: Labels, data: Distribution): Sample[] {
  let total = 0;
  const buckets = [...data.counts].map((count, index) => {
    total += count;
    const le = data.bounds[index] ?? '+Inf';
    const bucket = { labels: { ...labels, le }, value: total, metricName: `${name}_bucket` };
    const exemplar = data.exemplars[index];
    if (exemplar === undefined) return bucket;
    const { traceparent, seconds, atEpochMs } = exemplar;
    const labelSet = { trace_id: traceIdOf(traceparent) };
    return { ...bucket, exemplar: { labelSet, value: seconds, timestamp: atEpochMs / 1000 } };
  });
  return [
    ...buckets,
    { labels, value: data.sumSeconds, metricName: `${name}_sum` },
    { labels, value: total, metricName: `${name}_count` },
  ];
}

function metric(name: string, help: string, type: Metric['type'], values: () => Sample[]): Metric {
  return {
    name,
    help,
    type,
    // By the name it has now: the registry may have renamed it.
    get() {
      return Promise.resolve({ name: this.name, help, type, aggregator: 'sum', values: values() });
    },
  };
}
