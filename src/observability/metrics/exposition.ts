import prometheus from 'prom-client';
import { defaultMetrics } from './default-metrics.js';
import type { Metric, Scrape } from './metric.js';
import { METRICS } from './metrics.js';
import type { Page } from './page-cache.js';
import type { Recorder } from './recorder.js';
import { samplesOf } from './samples.js';
import { snapshotOf } from './snapshot.js';

/** What a registry asks of a metric; of prom-client's own and of ours. */
export interface Readable {
  readonly name: string;
  readonly help: string;
  readonly type: Metric['type'];
  get(): Promise<object>;
}

/** Prometheus' text format 0.0.4, or OpenMetrics 1.0.0. */
type Format = 'prometheus' | 'openmetrics';

/** Turns the recorder's numbers into Prometheus text or OpenMetrics. */
export class Exposition {
  readonly #recorder: Recorder;
  #scrape: Scrape;
  // One for each format: prom-client renames the counters of a registry that speaks OpenMetrics.
  #plain: prometheus.Registry | undefined;
  #open: prometheus.Registry | undefined;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
    this.#scrape = scrapeOf(recorder);
  }

  /** The format that a scraper with that Accept header gets. */
  formatFor(accept: string | undefined): Format {
    return accept?.includes('application/openmetrics-text') ? 'openmetrics' : 'prometheus';
  }

  /** Makes a page. */
  async text(format: Format): Promise<Page> {
    const registry = format === 'openmetrics' ? this.#openMetrics() : this.#prometheus();
    this.#scrape = scrapeOf(this.#recorder);
    return { type: registry.contentType, text: await registry.metrics() };
  }

  #prometheus(): prometheus.Registry {
    this.#plain ??= this.#filled(new prometheus.Registry());
    return this.#plain;
  }

  #openMetrics(): prometheus.Registry {
    if (this.#open === undefined) {
      const registry = new prometheus.Registry<prometheus.OpenMetricsContentType>();
      registry.setContentType(prometheus.Registry.OPENMETRICS_CONTENT_TYPE);
      this.#open = this.#filled(registry as unknown as prometheus.Registry);
    }
    return this.#open;
  }

  #filled(registry: prometheus.Registry): prometheus.Registry {
    const own = Object.entries<Metric>(METRICS).map(
      ([name, metric]): Readable => ({
        name,
        help: metric.help,
        type: metric.type,
        get: async () => ({ aggregator: 'sum', values: samplesOf(name, metric, this.#scrape) }),
      }),
    );
    for (const metric of [...own, ...defaultMetrics()]) {
      registry.registerMetric(this.#guarded(metric) as unknown as prometheus.Metric);
    }
    return registry;
  }

  /** A metric that can't be read is left out and counted; all others are still worth a page. */
  #guarded(metric: Readable): Readable {
    const recorder = this.#recorder;
    return {
      name: metric.name,
      help: metric.help,
      type: metric.type,
      async get() {
        // By the name it has now: the registry may have renamed it.
        const { name } = this;
        try {
          const found = (await metric.get()) as { readonly values?: readonly Line[] };
          for (const line of found.values ?? []) line.sharedLabels ??= NO_SHARED_LABELS;
          return { ...found, name, help: metric.help, type: metric.type };
        } catch {
          recorder.scrapeErrors++;
          return { name, help: metric.help, type: metric.type, aggregator: 'sum', values: [] };
        }
      },
    };
  }
}

/** A line as prom-client's registry takes it, as far as it is looked at here. */
interface Line {
  sharedLabels?: object;
}

/**
 * The one object for all lines. prom-client remembers the text of a line's shared labels by their object, and would
 * make and remember an empty one for each line without: a fifth of the time that a page takes.
 */
const NO_SHARED_LABELS = {};

function scrapeOf(recorder: Recorder): Scrape {
  return { recorder, server: snapshotOf(recorder.gauges) };
}
