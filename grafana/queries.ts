/** What every query is filtered by: the dashboard's variables. `job` keeps other programs' process_* out. */
const FILTER = 'job=~"$job",instance=~"$instance",action=~"$action"';

/** Grafana's own choice of a window that holds several scrapes. */
const WINDOW = '$__rate_interval';

/** The series of a metric that the dashboard's filters leave, narrowed by further matchers. */
export function series(metric: string, ...matchers: readonly string[]): string {
  return `${metric}{${[FILTER, ...matchers].join(',')}}`;
}

/** How fast a counter rises, per second, added up over instances. */
export function rate(metric: string, by: readonly string[] = [], ...matchers: readonly string[]): string {
  return `${sumBy(by)}(rate(${series(metric, ...matchers)}[${WINDOW}]))`;
}

/** How much a counter rose in a long window, for what happens rarely. */
export function increase(metric: string, window: string, by: readonly string[] = []): string {
  return `${sumBy(by)}(increase(${series(metric)}[${window}]))`;
}

/** A gauge added up over instances. */
export function sum(metric: string, by: readonly string[] = [], ...matchers: readonly string[]): string {
  return `${sumBy(by)}(${series(metric, ...matchers)})`;
}

/** A query that shows 0 where there is nothing of the kind, so that its panel is not empty. */
export function orZero(query: string): string {
  return `${query} or vector(0)`;
}

/** The worst instance's value of a gauge. */
export function max(metric: string, by: readonly string[] = []): string {
  return `max${byClause(by)}(${series(metric)})`;
}

/** A percentile out of a histogram's buckets, over all instances. */
export function quantile(
  share: number,
  histogram: string,
  by: readonly string[] = [],
  ...matchers: readonly string[]
): string {
  return `histogram_quantile(${share}, ${rate(`${histogram}_bucket`, ['le', ...by], ...matchers)})`;
}

/** The mean of a histogram's observations. */
export function mean(histogram: string, by: readonly string[] = [], ...matchers: readonly string[]): string {
  return `${rate(`${histogram}_sum`, by, ...matchers)} / ${rate(`${histogram}_count`, by, ...matchers)}`;
}

/** The percentiles that latencies are shown by, each with its legend. */
export function percentiles(
  histogram: string,
  ...matchers: readonly string[]
): { expr: string; legend: string }[] {
  return [0.5, 0.9, 0.99].map((share) => ({
    expr: quantile(share, histogram, [], ...matchers),
    legend: `p${share * 100}`,
  }));
}

function sumBy(labels: readonly string[]): string {
  return `sum${byClause(labels)}`;
}

function byClause(labels: readonly string[]): string {
  return labels.length === 0 ? '' : ` by (${labels.join(', ')}) `;
}
