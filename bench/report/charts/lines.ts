import type { CustomSeriesOption, LineSeriesOption } from 'echarts/charts';
import { spread, wrap } from './labels.js';
import { CHART_WIDTH, line, type Shape, text, uprights, valueAxis } from './rows.js';
import type { Scale } from './scale.js';
import { type ChartText, drawSvg } from './svg.js';
import { INKS, type TargetStyle } from './theme.js';

/** Lines that are named where they end, instead of in a legend. */

export interface Line {
  readonly name: string;
  readonly style: TargetStyle;
  /** In the axes' values; ascending in x. */
  readonly points: readonly (readonly [number, number])[];
  /** [x, low, high]: the spread around a point. */
  readonly spreads?: readonly (readonly [number, number, number])[];
  /** A value holds until the next point. */
  readonly steps?: boolean;
  /** A dot at each point. */
  readonly dots?: boolean;
}

interface LinesChart extends ChartText {
  readonly lines: readonly Line[];
  readonly x: Scale;
  readonly y: Scale;
  readonly xTitle: string;
  readonly yTitle: string;
  readonly height?: number;
}

const MARGIN = { left: 72, right: 126, top: 12, bottom: 48 };
const LABEL = { width: 15, lines: 2, lineHeight: 14, gap: 4 };

/** Draws the lines, each with its name at its right end. */
export function linesChart(chart: LinesChart): string {
  const labels = chart.lines.map(({ name }) => labelHeight(wordsOf(name))).reduce((sum, one) => sum + one, 0);
  const height = Math.max(chart.height ?? 280, labels + MARGIN.top);
  const lower = twoLined(chart.x) ? 14 : 0;
  const margin = { ...MARGIN, bottom: MARGIN.bottom + lower };
  const lines = chart.lines.filter(({ points }) => points.length > 0);
  const series = lines.map(
    ({ points, style, steps, dots }): LineSeriesOption => ({
      type: 'line',
      silent: true,
      clip: true,
      emphasis: { disabled: true },
      showSymbol: dots === true,
      symbol: 'circle',
      symbolSize: 7,
      itemStyle: { color: style.ink.light },
      lineStyle: {
        color: style.ink.light,
        width: style.limit ? 1.6 : 2,
        ...(style.dash === undefined ? {} : { type: [...style.dash] }),
      },
      ...(steps === true ? { step: 'end' as const } : {}),
      data: points.map(([x, y]) => [chart.x.plot(x), chart.y.plot(y)]),
    }),
  );
  return drawSvg(
    {
      grid: { ...margin, containLabel: false },
      xAxis: valueAxis(chart.x, chart.xTitle, 'x', 30 + lower),
      yAxis: valueAxis(chart.y, chart.yTitle, 'y'),
      series: [
        uprights(
          chart.x.ticks.map(({ at }) => at),
          [margin.top, height - margin.bottom],
          { stroke: INKS.grid.light },
        ),
        levels(chart.y),
        ...series,
        ...lines.map((one) => spreadsOf(one, chart)),
      ],
      graphic: endLabels(lines, chart, height - margin.bottom),
    },
    { width: CHART_WIDTH, height },
    chart,
  );
}

/** Level lines at the ticks of the upright axis. */
function levels({ ticks }: Scale): CustomSeriesOption {
  const [left, right] = [MARGIN.left, CHART_WIDTH - MARGIN.right];
  return {
    type: 'custom',
    silent: true,
    clip: false,
    data: ticks.map(({ at }) => [0, at]),
    renderItem: (_, api) => {
      const y = Math.round(api.coord([0, api.value(1)])[1] ?? 0) + 0.5;
      return line([left, y], [right, y], { stroke: INKS.grid.light });
    },
  };
}

const twoLined = ({ ticks }: Scale): boolean => ticks.some(({ label }) => label.includes('\n'));

function spreadsOf({ spreads = [], style }: Line, { x, y }: LinesChart): CustomSeriesOption {
  return {
    type: 'custom',
    silent: true,
    data: spreads.map(([at, low, high]) => [x.plot(at), y.plot(low), y.plot(high)]),
    renderItem: (_, api) => {
      const [from, to] = [1, 2].map((side) => api.coord([api.value(0), api.value(side)]));
      const [left, bottom] = [from?.[0] ?? 0, from?.[1] ?? 0];
      const top = to?.[1] ?? 0;
      const stroke = { stroke: style.ink.light, lineWidth: 1.4 };
      return {
        type: 'group',
        children: [
          line([left, bottom], [left, top], stroke),
          line([left - 3, bottom], [left + 3, bottom], stroke),
          line([left - 3, top], [left + 3, top], stroke),
        ],
      };
    },
  };
}

const wordsOf = (name: string): string[] => wrap(name, LABEL.width, LABEL.lines);

const labelHeight = (words: readonly string[]): number => words.length * LABEL.lineHeight + LABEL.gap;

/** @param bottom where the axis is, in pixels */
function endLabels(lines: readonly Line[], { x, y }: LinesChart, bottom: number): Shape[] {
  const right = CHART_WIDTH - MARGIN.right;
  const pixel = (value: number, { min, max }: Scale, from: number, to: number): number =>
    from + (Math.min(Math.max((value - min) / (max - min), 0), 1) || 0) * (to - from);
  const named = lines.map((one) => {
    const [lastX, lastY] = one.points.at(-1) ?? [0, 0];
    const words = wordsOf(one.name);
    return {
      words,
      colour: one.style.ink.light,
      endX: pixel(x.plot(lastX), x, MARGIN.left, right),
      wanted: pixel(y.plot(lastY), y, bottom, MARGIN.top),
      height: labelHeight(words),
    };
  });
  const places = spread(named, 0, bottom + 34);
  return named.flatMap(({ words, colour, endX, wanted }, index) => {
    const middle = places[index] ?? wanted;
    return [
      leader([endX + 2, wanted], [right + 14, middle]),
      ...words.map((word, row) =>
        text(right + 18, middle + (row - (words.length - 1) / 2) * LABEL.lineHeight, word, {
          fontSize: 12,
          fill: colour,
        }),
      ),
    ];
  });
}

/** From a line's end to its name; level, it is only as long as it has to be. */
const leader = (from: readonly [number, number], to: readonly [number, number]): Shape =>
  line(from, to, { stroke: INKS.axis.light, lineWidth: 0.8 });
