import prometheus from 'prom-client';
import { activationMetrics } from './activation-metrics.js';
import { defaultMetrics } from './default-metrics.js';
import type { Recorder } from './recorder.js';
import type { Metric } from './samples.js';
import { serverMetrics } from './server-metrics.js';

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
  for (const metric of [...metricsOf(recorder), ...defaultMetrics()]) {
    registry.registerMetric(metric as unknown as prometheus.Metric);
  }
  return registry;
}

/** The metrics of this server itself, those of Node and the process apart. */
export function metricsOf(recorder: Recorder): Metric[] {
  return [...activationMetrics(recorder), ...serverMetrics(recorder)];
}
