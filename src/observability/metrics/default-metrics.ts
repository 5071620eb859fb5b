import prometheus from 'prom-client';
import type { Readable } from './exposition.js';
import { openDescriptors } from './open-descriptors.js';

/**
 * The longest that Node takes. prom-client's way to watch the event loop is a timer that goes off ever so
 * often, and a server at rest must cost nothing: hyperskeleton_event_loop_lag_seconds is there instead.
 */
const NEVER_MS = 2 ** 31 - 1;
const OPEN_DESCRIPTORS: Readable = {
  name: 'process_open_fds',
  help: 'Number of open file descriptors.',
  type: 'gauge',
  async get() {
    const value = openDescriptors();
    return { aggregator: 'sum', values: value === undefined ? [] : [{ labels: {}, value }] };
  },
};
/** And gauges that are named as counters are, which Prometheus' own check refuses; and what is counted below. */
const LEFT_OUT = /^nodejs_eventloop_lag_|^nodejs_active_\w+_total$|^process_open_fds$/;

let collected: prometheus.Registry | undefined;

/**
 * prom-client's metrics of Node and the process, to be registered once: what feeds them is set up at the first
 * call only, however many registries show them.
 */
export function defaultMetrics(): Readable[] {
  if (collected === undefined) {
    collected = new prometheus.Registry();
    prometheus.collectDefaultMetrics({ register: collected, eventLoopMonitoringPrecision: NEVER_MS });
  }
  const metrics = collected.getMetricsAsArray() as unknown as Readable[];
  return [...metrics.filter(({ name }) => !LEFT_OUT.test(name)), OPEN_DESCRIPTORS];
}
