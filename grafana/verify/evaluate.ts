import type { Dashboard } from '@grafana/grafana-foundation-sdk/dashboard';
import type { Dataquery as PrometheusQuery } from '@grafana/grafana-foundation-sdk/prometheus';
import { messageOf } from '../../src/protocol/message-of.js';
import { excuse } from './excused.js';
import type { Prometheus, Series } from './prometheus.js';
import { substitute, type Values } from './variables.js';

/** A query of the dashboard, and where it stands. */
export interface PanelQuery {
  readonly row: string;
  readonly panel: string;
  readonly kind: string;
  readonly unit: string;
  readonly refId: string;
  readonly expr: string;
  readonly legend: string;
}

/** What a query gave. */
export interface PanelResult extends PanelQuery {
  readonly series: readonly Series[];
  /** What is wrong with it; undefined where nothing is. */
  readonly problem: string | undefined;
  /** Why it is no problem that there is none. */
  readonly excuse: string | undefined;
}

/** The stretch of time that is looked at, and under what circumstances. */
export interface Stretch {
  /** The engine that the server said it had. */
  readonly engine: string;
  readonly from: number;
  readonly to: number;
  readonly stepSeconds: number;
}

const METRIC = /\b(?:hyperskeleton|process|nodejs|up)_[a-z0-9_]+/g;

/** Every query of every panel, in the order of the dashboard. */
export function queriesOf(dashboard: Dashboard): PanelQuery[] {
  let row = '';
  return (dashboard.panels ?? []).flatMap((panel): PanelQuery[] => {
    if (panel.type === 'row') {
      row = panel.title ?? '';
      return [];
    }
    if (!('targets' in panel)) return [];
    const unit = panel.fieldConfig?.defaults.unit ?? '';
    return (panel.targets ?? []).map((target) => {
      const { expr, legendFormat = '', refId = '' } = target as PrometheusQuery;
      return { row, panel: panel.title ?? '', kind: panel.type, unit, refId, expr, legend: legendFormat };
    });
  });
}

/**
 * Evaluates queries as Grafana would, and tells of each what is wrong: it is no valid query, it names a metric that
 * nobody exposes, or it has no finite point.
 */
export async function evaluate(
  queries: readonly PanelQuery[],
  prometheus: Prometheus,
  values: Values,
  stretch: Stretch,
): Promise<PanelResult[]> {
  const known = new Map<string, Promise<boolean>>();
  const isKnown = (metric: string): Promise<boolean> => {
    const asked = known.get(metric) ?? exists(metric, prometheus, stretch);
    known.set(metric, asked);
    return asked;
  };
  const results: PanelResult[] = [];
  for (const query of queries) results.push(await one(query));
  return results;

  async function one(query: PanelQuery): Promise<PanelResult> {
    let series: Series[];
    try {
      series = await prometheus.range(
        substitute(query.expr, values),
        stretch.from,
        stretch.to,
        stretch.stepSeconds,
      );
    } catch (error) {
      const problem = messageOf(error);
      return { ...query, series: [], problem, excuse: undefined };
    }
    // `or` and sums can hide that a part of a query finds nothing.
    const unknown: string[] = [];
    for (const metric of new Set(query.expr.match(METRIC)))
      if (!(await isKnown(metric))) unknown.push(metric);
    const missing = unknown.length > 0 ? `nobody exposes ${unknown.join(', ')}` : undefined;
    const problem = missing ?? (finitePoints(series) > 0 ? undefined : 'no point');
    const excused = problem && excuse(query.panel, query.refId, stretch.engine);
    return { ...query, series, problem: excused === undefined ? problem : undefined, excuse: excused };
  }
}

/** How many numbers can be drawn. */
export function finitePoints(series: readonly Series[]): number {
  return series.reduce(
    (total, { values }) => total + values.filter(([, value]) => Number.isFinite(value)).length,
    0,
  );
}

async function exists(metric: string, prometheus: Prometheus, { from, to }: Stretch): Promise<boolean> {
  const window = Math.ceil(to - from) + 1;
  return (await prometheus.range(`count(last_over_time(${metric}[${window}s]))`, to, to, 1)).length > 0;
}
