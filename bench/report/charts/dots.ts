import { formatUs } from '../format.js';
import type { Group } from '../groups.js';
import { P50, P99 } from '../metrics.js';
import { isPossible, numberOf, rowHead, type Styles } from './bars.js';
import { errorBar, line, type Row, rowsChart, type Shape } from './rows.js';
import { logScale } from './scale.js';
import { INKS, UNKNOWN_STYLE } from './theme.js';

/** The median and the 99th percentile of latency, a dot and a diamond; undefined where no target has any. */
export function latencyChart(group: Group, styles: Styles): string | undefined {
  const found = group.entries.filter(isPossible).map((entry) => ({
    entry,
    p50: numberOf(entry, P50),
    p99: numberOf(entry, P99),
  }));
  const values = found.flatMap(({ p50, p99 }) => [
    ...(p50 === undefined ? [] : [p50.low, p50.high]),
    ...(p99 === undefined ? [] : [p99.low, p99.high]),
  ]);
  if (values.length === 0) return undefined;
  const rows = found
    // A limit without a latency is none here.
    .filter(({ entry, p50 }) => !entry.target.reference || p50 !== undefined)
    .map(({ entry, p50, p99 }): Row => {
      const { ink, limit } = styles.get(entry.target.id) ?? UNKNOWN_STYLE;
      const numbers = [p50, p99].flatMap((summary) =>
        summary === undefined ? [] : [formatUs(summary.median)],
      );
      const head = rowHead(entry, numbers.length === 0 ? undefined : numbers.join(' · '));
      if (numbers.length === 0) return head;
      return {
        ...head,
        shapes: (at) => [
          ...(p50 === undefined || p99 === undefined
            ? []
            : [
                line([at.x(p50.median), at.middle], [at.x(p99.median), at.middle], {
                  stroke: INKS.axis.light,
                }),
              ]),
          ...(p50 === undefined
            ? []
            : [
                ...errorBar(at, p50.low, p50.high, { stroke: ink.light, lineWidth: 1.4 }),
                mark('circle', at.x(p50.median), at.middle, ink.light, !limit),
              ]),
          ...(p99 === undefined
            ? []
            : [
                ...errorBar(at, p99.low, p99.high, { stroke: ink.light, lineWidth: 1.4 }),
                mark('diamond', at.x(p99.median), at.middle, ink.light, !limit),
              ]),
        ],
      };
    });
  return rowsChart({
    title: `${group.scenario.title}: latency`,
    description: rows.map(({ name, value }) => `${name}: p50 · p99 ${value}`).join('; '),
    rows,
    scale: logScale(values, formatUs),
    axisTitle: 'latency, logarithmic; ● p50, ◆ p99, lowest to highest round',
  });
}

/** A filled mark, or a hollow one. */
export function mark(
  form: 'circle' | 'diamond',
  x: number,
  y: number,
  colour: string,
  filled: boolean,
  radius = 5,
): Shape {
  const style = { fill: filled ? colour : INKS.surface.light, stroke: colour, lineWidth: 1.6 };
  if (form === 'circle') return { type: 'circle', silent: true, shape: { cx: x, cy: y, r: radius }, style };
  const points = [
    [x - radius - 1, y],
    [x, y - radius - 1],
    [x + radius + 1, y],
    [x, y + radius + 1],
  ];
  return { type: 'polygon', silent: true, shape: { points }, style };
}
