import prometheus from 'prom-client';
import { openDescriptors } from './open-descriptors.js';
import { gauge, type Metric, optionalSample } from './samples.js';

/** As far as it is used here: a metric, whoever keeps its values. */
type DefaultMetric = Pick<Metric, 'name' | 'help' | 'type' | 'get'>;

/**
 * The longest that Node takes. prom-client's way to watch the event loop is a timer that goes off ever so
 * often, and a server at rest must cost nothing: hyperskeleton_event_loop_lag_seconds is there instead.
 */
const NEVER_MS = 2 ** 31 - 1;
const OPEN_DESCRIPTORS = 'process_open_fds';
/** And gauges that are named as counters are, which Prometheus' own check refuses; and what is counted below. */
const LEFT_OUT = /^nodejs_eventloop_lag_|^nodejs_active_\w+_total$|^process_open_fds$/;

let collected: prometheus.Registry | undefined;

/**
 * prom-client's metrics of Node and the process, to be registered once: what feeds them is set up at the first
 * call only, however many registries show them.
 */
export function defaultMetrics(): DefaultMetric[] {
  if (collected === undefined) {
    collected = new prometheus.Registry();
    prometheus.collectDefaultMetrics({ register: collected, eventLoopMonitoringPrecision: NEVER_MS });
  }
  const metrics = collected.getMetricsAsArray() as unknown as DefaultMetric[];
  const descriptors = gauge({ name: OPEN_DESCRIPTORS, help: 'Number of open file descriptors.' }, () =>
    optionalSample(openDescriptors()),
  );
  return [...metrics.filter(({ name }) => !LEFT_OUT.test(name)), descriptors];
}
