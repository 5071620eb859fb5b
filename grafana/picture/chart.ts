import { BarChart, HeatmapChart, LineChart } from 'echarts/charts';
import { GridComponent, MarkLineComponent, VisualMapComponent } from 'echarts/components';
import { type EChartsCoreOption, init, use } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import type { PanelSpec } from '../panels.js';
import { formatted } from './format.js';
import { INKS, seriesColour } from './inks.js';
import { CHARACTER_WIDTH, legend } from './legend.js';
import { type Line, lastOf } from './lines.js';

use([BarChart, HeatmapChart, LineChart, GridComponent, MarkLineComponent, VisualMapComponent, SVGRenderer]);

/** The fonts of the reader's system. */
export const FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif";

const FONT_SIZE = 10;
const AXIS_HEIGHT = 18;
const HEAT = '#d04a02';

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Draws a panel's lines, bars or heatmap, without its title. @returns what goes into an svg element */
export function chart(spec: PanelSpec, lines: readonly Line[], size: Size): string {
  if (spec.kind === 'bars') return draw(bars(spec, lines), size);
  if (spec.kind === 'heatmap') return draw(heatmap(spec, lines), size);
  const names = legend(
    lines.map(({ name }) => name),
    size,
  );
  return draw(graph(spec, lines), { ...size, height: size.height - names.height }) + names.svg;
}

function graph(spec: PanelSpec, lines: readonly Line[]): EChartsCoreOption {
  const stacked = spec.kind === 'stacked';
  const limits = spec.thresholds === undefined ? [] : Object.entries(spec.thresholds);
  return {
    grid: { left: 58, right: 14, top: 8, bottom: AXIS_HEIGHT },
    xAxis: timeAxis(lines),
    yAxis: valueAxis(spec, stacked ? 0 : largest(lines)),
    series: lines.map(({ name, points }, at) => ({
      type: 'line',
      name,
      silent: true,
      showSymbol: false,
      ...(stacked ? { stack: 'all', areaStyle: { color: seriesColour(at), opacity: 0.35 } } : {}),
      itemStyle: { color: seriesColour(at) },
      lineStyle: { color: seriesColour(at), width: 1.4 },
      data: points
        .filter(stacked ? isDrawn(lines) : () => true)
        .map(([seconds, value]) => [seconds, value ?? (stacked ? 0 : '-')]),
      ...(at > 0 ? {} : { markLine: thresholdLines(limits) }),
    })),
  };
}

/** Whether any line has a value at that time: a stack does not begin before its first. */
function isDrawn(lines: readonly Line[]): (point: Line['points'][number], at: number) => boolean {
  return (_, at) => lines.some(({ points }) => points[at]?.[1] !== undefined);
}

function largest(lines: readonly Line[]): number {
  return Math.max(0, ...lines.flatMap(({ points }) => points.map(([, value]) => value ?? 0)));
}

function thresholdLines(limits: readonly (readonly [string, number])[]): object {
  return {
    silent: true,
    symbol: 'none',
    label: { show: false },
    data: limits.map(([name, yAxis]) => ({
      yAxis,
      lineStyle: {
        color: (name === 'critical' ? INKS.critical : INKS.warning).light,
        type: [4, 3],
        width: 1,
      },
    })),
  };
}

function bars(spec: PanelSpec, lines: readonly Line[]): EChartsCoreOption {
  const longest = Math.max(0, ...lines.map(({ name }) => name.length));
  return {
    grid: { left: 24 + CHARACTER_WIDTH * longest, right: 80, top: 4, bottom: 6 },
    xAxis: { type: 'value', show: false, min: 0 },
    yAxis: {
      type: 'category',
      inverse: true,
      data: lines.map(({ name }) => name),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { fontSize: FONT_SIZE, color: INKS.text.light },
    },
    series: [
      {
        type: 'bar',
        silent: true,
        barMaxWidth: 16,
        itemStyle: { color: seriesColour(0) },
        label: {
          show: true,
          position: 'right',
          fontSize: FONT_SIZE,
          color: INKS.text.light,
          formatter: ({ value }: { value: number }) => formatted(value, spec.unit),
        },
        data: lines.map((line) => lastOf(line) ?? 0),
      },
    ],
  };
}

/** Buckets count what is below their bound: each band is the difference to the next lower one. */
function heatmap(spec: PanelSpec, lines: readonly Line[]): EChartsCoreOption {
  const rising = lines
    .map((line) => ({ ...line, bound: line.name === '+Inf' ? Number.POSITIVE_INFINITY : Number(line.name) }))
    .sort((one, other) => one.bound - other.bound);
  const cells = rising.flatMap(({ points }, band) =>
    points.map(([, value], at): [number, number, number] => {
      const below = rising[band - 1]?.points[at]?.[1] ?? 0;
      return [at, band, Math.max(0, (value ?? 0) - below)];
    }),
  );
  const times = (rising[0]?.points ?? []).map(([seconds]) => clock(seconds));
  const full = cells.filter(([, , value]) => value > 0);
  const axis = { fontSize: FONT_SIZE, color: INKS.muted.light };
  return {
    grid: { left: 58, right: 14, top: 8, bottom: AXIS_HEIGHT + 6 },
    xAxis: {
      type: 'category',
      data: times,
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...axis, interval: (at: number) => at % Math.ceil(times.length / 6) === 0 },
    },
    yAxis: {
      type: 'category',
      data: rising.map(({ bound }) => (Number.isFinite(bound) ? `≤ ${formatted(bound, spec.unit)}` : 'more')),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: axis,
    },
    visualMap: {
      show: false,
      min: 0,
      max: Math.max(1e-9, ...full.map(([, , value]) => value)),
      dimension: 2,
      inRange: { color: [HEAT, HEAT], opacity: [0.08, 1] },
    },
    series: [{ type: 'heatmap', silent: true, data: full }],
  };
}

function timeAxis(lines: readonly Line[]): object {
  const times = lines[0]?.points.map(([seconds]) => seconds) ?? [];
  return {
    type: 'value',
    min: times[0] ?? 0,
    max: times.at(-1) ?? 1,
    axisLine: { lineStyle: { color: INKS.grid.light } },
    axisTick: { show: false },
    splitLine: { show: false },
    axisLabel: { fontSize: FONT_SIZE, color: INKS.muted.light, formatter: clock, showMaxLabel: false },
  };
}

function valueAxis(spec: PanelSpec, most: number): object {
  return {
    type: 'value',
    min: 0,
    ...steps(spec, most),
    splitNumber: 3,
    axisLine: { show: false },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: INKS.grid.light } },
    axisLabel: {
      fontSize: FONT_SIZE,
      color: INKS.muted.light,
      formatter: (value: number) => formatted(value, spec.unit),
    },
  };
}

/** Halves of what can be at most; powers of two for bytes; otherwise what is round in tens. */
function steps({ max, unit }: PanelSpec, most: number): object {
  if (max !== undefined) return { max, interval: max / 2 };
  if (!/^(bytes|Bps)$/.test(unit) || most <= 0) return {};
  const interval = 2 ** Math.ceil(Math.log2(most / 4));
  return { interval, max: Math.ceil(most / interval) * interval };
}

function clock(seconds: number): string {
  return `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, '0')}`;
}

function draw(option: EChartsCoreOption, size: Size): string {
  const instance = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    instance.setOption({
      animation: false,
      backgroundColor: 'transparent',
      textStyle: { fontFamily: FONT },
      ...option,
    });
    return tidied(instance.renderToSVGString());
  } finally {
    // Its timers would keep the process alive.
    instance.dispose();
  }
}

/** Leaves the drawing: what serves interaction goes, and numbers lose digits that nobody sees. */
function tidied(svg: string): string {
  return svg
    .slice(svg.indexOf('>') + 1, svg.lastIndexOf('</svg>'))
    .replace(/<style ?>[\s\S]*?<\/style>/g, '')
    .replace(/<rect [^>]*fill="(?:none|transparent)"[^>]*><\/rect>/g, '')
    .replace(/ (?:pointer-events|class|ecmeta_\w+|xml:space)="[^"]*"/g, '')
    .replace(/<[^>]*>/g, (tag) =>
      tag.replace(/\d+\.\d{2,}/g, (digits) => String(Number(Number(digits).toFixed(1)))),
    )
    .replaceAll(/\n+/g, '');
}
