import type { CustomSeriesOption } from 'echarts/charts';
import { plainLine } from '../html/escape.js';
import { truncate } from './labels.js';
import type { Scale } from './scale.js';
import { type ChartText, drawSvg } from './svg.js';
import { INKS } from './theme.js';

/**
 * Pictures with one row per target: its name and its number on a line, what is drawn below them. Long names have the
 * whole width that way, on a phone too.
 */

type Render = NonNullable<CustomSeriesOption['renderItem']>;
export type Shape = NonNullable<ReturnType<Render>>;

/** A shape of a row; `x` are pixels already, the row's middle is given. */
export interface Row {
  readonly name: string;
  /** At the right end of the name's line. */
  readonly value: string;
  readonly tone: 'plain' | 'muted' | 'warning';
  /** Without any, the row is its name's line only. */
  readonly shapes?: (at: RowPlace) => Shape[];
}

export interface RowPlace {
  /** From a value of the axis to pixels. */
  readonly x: (value: number) => number;
  readonly left: number;
  readonly right: number;
  /** The middle of what is drawn. */
  readonly middle: number;
}

interface RowsChart extends ChartText {
  readonly rows: readonly Row[];
  readonly scale: Scale;
  readonly axisTitle: string;
  /** Vertical lines through all rows, such as the limits, in the axis' values. */
  readonly guides?: readonly number[];
}

export const CHART_WIDTH = 480;
const ROW_HEIGHT = 42;
const BARE_HEIGHT = 24;
const MARGIN = { left: 12, right: 18, top: 4, bottom: 48 };
/** Of the name's line from the row's top, and of the drawing's middle. */
const NAME_AT = 11;
const DRAWING_AT = 29;

const CHARACTER = 7.9;

export function text(x: number, y: number, words: string, style: Record<string, unknown> = {}): Shape {
  return {
    type: 'text',
    silent: true,
    style: {
      x,
      y,
      text: plainLine(words),
      fontSize: 13,
      fill: INKS.text.light,
      // Lines of the grid end around it.
      stroke: INKS.surface.light,
      lineWidth: 3,
      verticalAlign: 'middle',
      ...style,
    },
  };
}

export function line(from: readonly [number, number], to: readonly [number, number], style: object): Shape {
  return {
    type: 'line',
    silent: true,
    shape: { x1: from[0], y1: from[1], x2: to[0], y2: to[1] },
    style: { fill: 'none', lineWidth: 1, ...style },
  };
}

/** A line from low to high with an upright stroke at both ends. */
export function errorBar(at: RowPlace, low: number, high: number, style: object, height = 5): Shape[] {
  const [from, to] = [at.x(low), at.x(high)];
  // Shorter than a pixel it can't be seen, and its ends would look like a mark of their own.
  if (to - from < 1) return [];
  const { middle } = at;
  return [
    line([from, middle], [to, middle], style),
    line([from, middle - height], [from, middle + height], style),
    line([to, middle - height], [to, middle + height], style),
  ];
}

/** Draws the rows from top to bottom above one axis. */
export function rowsChart(chart: RowsChart): string {
  const { rows, scale } = chart;
  let bottom: number = MARGIN.top;
  const tops = rows.map((row) => {
    const top = bottom;
    bottom += row.shapes === undefined ? BARE_HEIGHT : ROW_HEIGHT;
    return top;
  });
  const height = bottom + MARGIN.bottom;
  const plane = [MARGIN.top, height - MARGIN.bottom] as const;
  const renderRow: Render = (params, api) => {
    const row = rows[params.dataIndex];
    if (row === undefined) return null;
    const top = tops[params.dataIndex] ?? MARGIN.top;
    const place: RowPlace = {
      x: (value) => api.coord([scale.plot(value), params.dataIndex])[0] ?? 0,
      left: MARGIN.left,
      right: CHART_WIDTH - MARGIN.right,
      middle: top + DRAWING_AT,
    };
    return { type: 'group', children: [...heading(row, top, place.right), ...(row.shapes?.(place) ?? [])] };
  };
  return drawSvg(
    {
      grid: { ...MARGIN, containLabel: false },
      xAxis: valueAxis(scale, chart.axisTitle, 'x'),
      yAxis: { type: 'category', inverse: true, show: false, data: rows.map((_, index) => index) },
      series: [
        uprights(
          scale.ticks.map(({ at }) => at),
          plane,
          { stroke: INKS.grid.light },
        ),
        uprights((chart.guides ?? []).map(scale.plot), plane, {
          stroke: INKS.limit.light,
          lineDash: [4, 4],
        }),
        {
          type: 'custom',
          silent: true,
          clip: false,
          renderItem: renderRow,
          data: rows.map((_, index) => [scale.min, index]),
        },
      ],
    },
    { width: CHART_WIDTH, height },
    chart,
  );
}

function heading(row: Row, top: number, right: number): Shape[] {
  const fill = { plain: INKS.text, muted: INKS.muted, warning: INKS.warning }[row.tone].light;
  const room = Math.floor((right - MARGIN.left) / CHARACTER) - row.value.length - 2;
  return [
    text(MARGIN.left, top + NAME_AT, truncate(row.name, room), {
      fill: row.tone === 'plain' ? INKS.text.light : INKS.muted.light,
    }),
    text(right, top + NAME_AT, row.value, {
      align: 'right',
      fill,
      ...(row.tone === 'plain' ? { fontWeight: 600 } : {}),
    }),
  ];
}

/**
 * Upright lines at values of the axis; echarts' own split lines do not keep to given ticks.
 *
 * @param at in plotted units
 */
export function uprights(
  at: readonly number[],
  [top, bottom]: readonly [number, number],
  style: object,
): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    clip: false,
    data: at.map((value) => [value, 0]),
    renderItem: (_, api) => {
      const x = Math.round(api.coord([api.value(0), 0])[0] ?? 0) + 0.5;
      return line([x, top], [x, bottom], style);
    },
  };
}

/** An axis with the ticks of a scale, in the reader's colours. */
export function valueAxis(
  scale: Scale,
  title: string,
  side: 'x' | 'y',
  gap = side === 'x' ? 30 : 54,
): object {
  const values = scale.ticks.map(({ at }) => at);
  const labels = new Map(scale.ticks.map(({ at, label }) => [at.toFixed(9), label]));
  return {
    type: 'value',
    min: scale.min,
    max: scale.max,
    name: plainLine(title),
    nameLocation: 'middle',
    nameGap: gap,
    nameTextStyle: { color: INKS.muted.light, fontSize: 12 },
    axisLine: { show: side === 'x', lineStyle: { color: INKS.axis.light }, onZero: false },
    axisTick: { show: false },
    axisLabel: {
      customValues: values,
      color: INKS.muted.light,
      fontSize: 12,
      margin: 8,
      hideOverlap: true,
      formatter: (value: number) => labels.get(value.toFixed(9)) ?? '',
    },
    splitLine: { show: false },
  };
}
