import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Prometheus } from './prometheus.js';

/** Grafana takes four scrapes. */
const SCRAPES_PER_WINDOW = 4;

/** What Grafana would put in place of the variables of a query. */
export type Values = ReadonlyMap<string, string>;

/**
 * The values that Grafana would give the dashboard's variables with "All" chosen: its own requests for labels are
 * made to Prometheus.
 *
 * @throws Error when a variable finds no value and has none of its own for "All"
 */
export async function valuesOf(
  dashboard: Dashboard,
  prometheus: Prometheus,
  scrapeSeconds: number,
): Promise<Values> {
  const values = new Map([['__rate_interval', `${SCRAPES_PER_WINDOW * scrapeSeconds}s`]]);
  for (const each of dashboard.templating.list ?? []) {
    if (each.type !== 'query') continue;
    const query = (each.query as { readonly query: string }).query;
    const [, selector, label] = /^label_values\((.*), (\w+)\)$/.exec(query) ?? [];
    if (selector === undefined || label === undefined) throw new Error(`not understood: ${query}`);
    const found = await prometheus.labelValues(label, substitute(selector, values));
    const all = each.allValue ?? found.map(escaped).join('|');
    if (all === '') throw new Error(`the variable ${each.name} has no value: ${query}`);
    values.set(each.name, all);
  }
  return values;
}

/** A query with its variables replaced. */
export function substitute(query: string, values: Values): string {
  return query.replace(/\$(\w+)/g, (text, name: string) => values.get(name) ?? text);
}

function escaped(value: string): string {
  return value.replace(/[.*+?^${}()|[\]\\]/g, '\\\\$&');
}
