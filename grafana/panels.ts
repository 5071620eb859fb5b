import * as bargauge from '@grafana/grafana-foundation-sdk/bargauge';
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  BigValueColorMode,
  BigValueGraphMode,
  type DataSourceRef,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizOrientation,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  type Panel,
  ThresholdsConfigBuilder,
  ThresholdsMode,
} from '@grafana/grafana-foundation-sdk/dashboard';
import * as heatmap from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import * as stat from '@grafana/grafana-foundation-sdk/stat';
import * as timeseries from '@grafana/grafana-foundation-sdk/timeseries';

/** One query of a panel. */
interface Query {
  readonly expr: string;
  readonly legend: string;
}

/** A panel as a row tells of it; {@link panel} makes Grafana's own of it. */
export interface PanelSpec {
  readonly kind: 'lines' | 'stacked' | 'stat' | 'bars' | 'heatmap';
  readonly title: string;
  /** What it shows, and what to conclude from it. */
  readonly description: string;
  /** Grafana's id of a unit (@grafana/grafana-foundation-sdk/units). */
  readonly unit: string;
  readonly queries: readonly Query[];
  /** Where it turns yellow and red, rising; falling where red is the smaller one. */
  readonly thresholds?: { readonly warning: number; readonly critical: number };
  /** The section of docs/guides/runbooks.md that says what to do. */
  readonly runbook?: string;
  /** Of 24 columns; 8 by default, 3 for a single number. */
  readonly width?: number;
  /** Whether single activations are shown among the lines, by their trace; for histograms. */
  readonly exemplars?: boolean;
  readonly max?: number;
}

/** What a panel takes of the dashboard's grid: of 24 columns, and of its lines. */
export function sizeOf({ kind, width }: PanelSpec): { readonly columns: number; readonly lines: number } {
  const isStat = kind === 'stat';
  return { columns: width ?? (isStat ? 3 : 8), lines: isStat ? 4 : 8 };
}

/** One row of the dashboard. */
export interface Row {
  readonly title: string;
  readonly panels: readonly PanelSpec[];
}

/** How Grafana's texts name a variable of the dashboard. */
export const variable = (name: string): string => `\${${name}}`;

/** The data source that the reader has chosen. */
export const DATA_SOURCE: DataSourceRef = { type: 'prometheus', uid: variable('datasource') };

/** What builders of every kind of panel have in common. */
interface CommonBuilder {
  title(text: string): this;
  description(text: string): this;
  datasource(reference: DataSourceRef): this;
  targets(targets: Builder<Dataquery>[]): this;
  span(width: number): this;
  height(rows: number): this;
  unit(unit: string): this;
  min(least: number): this;
  noValue(text: string): this;
  links(links: Builder<ReturnType<DashboardLinkBuilder['build']>>[]): this;
  thresholds(thresholds: ThresholdsConfigBuilder): this;
}

/** Grafana's builder of a panel. */
export function panel(spec: PanelSpec): Builder<Panel> {
  switch (spec.kind) {
    case 'stat':
      return common(new stat.PanelBuilder(), spec)
        .graphMode(BigValueGraphMode.Area)
        .colorMode(BigValueColorMode.Value)
        .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
    case 'bars':
      return common(new bargauge.PanelBuilder(), spec)
        .orientation(VizOrientation.Horizontal)
        .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']));
    case 'heatmap':
      return common(new heatmap.PanelBuilder(), spec)
        .calculate(false)
        .yAxis(new heatmap.YAxisConfigBuilder().unit(spec.unit))
        .color(
          new heatmap.HeatmapColorOptionsBuilder()
            .mode(heatmap.HeatmapColorMode.Scheme)
            .scheme('Oranges')
            .steps(64),
        );
    case 'lines':
    case 'stacked':
      return graph(spec);
  }
}

function graph(spec: PanelSpec): timeseries.PanelBuilder {
  const builder = common(new timeseries.PanelBuilder(), spec)
    .lineWidth(1)
    .showPoints(VisibilityMode.Never)
    .fillOpacity(spec.kind === 'stacked' ? 40 : 8)
    .legend(
      new VizLegendOptionsBuilder()
        .showLegend(true)
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending));
  if (spec.kind === 'stacked') builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (spec.max !== undefined) builder.max(spec.max);
  if (spec.thresholds !== undefined) {
    builder.thresholdsStyle(new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed));
  }
  return builder;
}

function common<Kind extends CommonBuilder>(builder: Kind, spec: PanelSpec): Kind {
  builder
    .title(spec.title)
    .description(spec.description)
    .datasource(DATA_SOURCE)
    .targets(spec.queries.map((query, at) => target(query, at, spec)))
    .span(sizeOf(spec).columns)
    .height(sizeOf(spec).lines)
    .unit(spec.unit)
    .min(0)
    .noValue('–')
    .thresholds(thresholds(spec.thresholds));
  if (spec.runbook !== undefined) builder.links([runbookLink(spec.runbook)]);
  return builder;
}

function target(query: Query, at: number, { kind, exemplars = false }: PanelSpec): DataqueryBuilder {
  const builder = new DataqueryBuilder()
    .refId(String.fromCharCode('A'.charCodeAt(0) + at))
    .datasource(DATA_SOURCE)
    .expr(query.expr)
    .legendFormat(query.legend)
    // Of one query: they are the same for all percentiles of a histogram.
    .exemplar(exemplars && at === 0)
    .range();
  return kind === 'heatmap' ? builder.format(PromQueryFormat.Heatmap) : builder;
}

/** Green below the first; where falling is bad, red comes first. */
function thresholds(at: PanelSpec['thresholds']): ThresholdsConfigBuilder {
  const builder = new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute);
  if (at === undefined) return builder.steps([{ value: null, color: 'green' }]);
  const { warning, critical } = at;
  return builder.steps(
    critical < warning
      ? [
          { value: null, color: 'red' },
          { value: critical, color: 'yellow' },
          { value: warning, color: 'green' },
        ]
      : [
          { value: null, color: 'green' },
          { value: warning, color: 'yellow' },
          { value: critical, color: 'red' },
        ],
  );
}

function runbookLink(section: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder('Runbook').url(`${variable('runbooks')}#${section}`).targetBlank(true);
}
