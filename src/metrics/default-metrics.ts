import prometheus from 'prom-client';

/** As far as it is used here: prom-client's own metrics, whatever their type. */
type DefaultMetric = prometheus.Metric & {
  name: string;
  readonly help: string;
  get(): Promise<object & { name: string }>;
};

/**
 * The longest that Node takes. prom-client's way to watch the event loop is a timer that goes off ever so
 * often, and a server at rest must cost nothing: hyperskeleton_event_loop_lag_seconds is there instead.
 */
const NEVER_MS = 2 ** 31 - 1;
/** And gauges that are named as counters are, which Prometheus' own check refuses. */
const LEFT_OUT = /^nodejs_eventloop_lag_|^nodejs_active_\w+_total$/;

let collected: prometheus.Registry | undefined;

/**
 * prom-client's metrics of Node and the process, to be registered once: what feeds them is set up at the first
 * call only, however many registries show them.
 */
export function defaultMetrics(): Pick<DefaultMetric, 'name' | 'help' | 'get'>[] {
  if (collected === undefined) {
    collected = new prometheus.Registry();
    prometheus.collectDefaultMetrics({ register: collected, eventLoopMonitoringPrecision: NEVER_MS });
  }
  const metrics = collected.getMetricsAsArray() as unknown as DefaultMetric[];
  return metrics.filter(({ name }) => !LEFT_OUT.test(name)).map(view);
}

/** A metric under a name of its own, which its registry may change. */
function view(inner: DefaultMetric): Pick<DefaultMetric, 'name' | 'help' | 'get'> & { type: unknown } {
  return {
    name: inner.name,
    help: inner.help,
    type: (inner as unknown as { type: unknown }).type,
    async get() {
      return { ...(await inner.get()), name: this.name };
    },
  };
}
