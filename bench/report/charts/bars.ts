import type { Entry, Group } from '../groups.js';
import type { Metric } from '../metrics.js';
import type { BenchSummary } from '../schema.js';
import { errorBar, type Row, type RowPlace, rowsChart, type Shape } from './rows.js';
import { linearScale, type Scale } from './scale.js';
import { INKS, type TargetStyle, UNKNOWN_STYLE } from './theme.js';

const BAR = 13;
/** A limit that is further away than this many times the highest bar would press all others flat. */
export const MAX_LIMIT = 1.6;

export type Styles = ReadonlyMap<string, TargetStyle>;

/** The words instead of a number, as short as a row has room for. */
export const STATUS_WORDS = {
  ok: 'no number',
  failed: 'failed',
  absent: 'absent',
  interrupted: 'interrupted',
  unsupported: 'not possible',
} as const;

/** What a row says of a cell: its numbers, and whether they are to be trusted. */
export function rowHead(
  { target, cell }: Entry,
  numbers: string | undefined,
): Pick<Row, 'name' | 'value' | 'tone'> {
  const name = target.reference ? `limit: ${target.title}` : target.title;
  if (numbers === undefined)
    return {
      name,
      value: STATUS_WORDS[cell.status],
      tone: cell.status === 'failed' ? 'warning' : 'muted',
    };
  const notes = [
    ...(cell.status === 'ok' ? [] : [STATUS_WORDS[cell.status]]),
    ...(cell.boundBy === 'generator' ? ['at ceiling'] : []),
  ];
  return {
    name,
    value: [numbers, ...notes].join(', '),
    tone: target.reference || notes.length > 0 ? 'muted' : 'plain',
  };
}

/** Bars of one metric with the lowest and the highest round; undefined where no target has a number. */
export function barsChart(group: Group, metric: Metric, styles: Styles): string | undefined {
  const found = group.entries
    .filter(isPossible)
    .map((entry) => ({ entry, summary: numberOf(entry, metric) }));
  const own = highest(found.filter(({ entry }) => !entry.target.reference));
  const near = highest(
    found.filter(
      ({ entry, summary }) =>
        entry.target.reference && (own === 0 || (summary?.median ?? 0) <= own * MAX_LIMIT),
    ),
  );
  const top = Math.max(own, near);
  if (!Number.isFinite(top) || top <= 0) return undefined;
  const scale = linearScale(top, metric.format, metric.tickUnit);
  // What a limit costs in memory limits nobody.
  const limits = found.flatMap(({ entry, summary }) =>
    metric.higherIsBetter && entry.target.reference && summary !== undefined && summary.median <= scale.max
      ? [summary.median]
      : [],
  );
  const rows = found.map(
    ({ entry, summary }): Row => ({
      ...rowHead(entry, summary && metric.format(summary.median)),
      ...(summary === undefined
        ? {}
        : {
            shapes: (at) => bar(summary, styles.get(entry.target.id) ?? UNKNOWN_STYLE, scale, at),
          }),
    }),
  );
  return rowsChart({
    title: `${group.scenario.title}: ${metric.title}`,
    description: rows.map(({ name, value }) => `${name}: ${value}`).join('; '),
    rows,
    scale,
    axisTitle: `${metric.title}; bar: median, line: lowest to highest round`,
    guides: limits,
  });
}

const highest = (found: readonly { readonly summary: BenchSummary | undefined }[]): number =>
  Math.max(0, ...found.map(({ summary }) => Math.max(summary?.high ?? 0, summary?.median ?? 0)));

/** What a target is not made for is no gap in its measurement: tables say so, pictures have no row for it. */
export const isPossible = ({ cell }: Entry): boolean => cell.status !== 'unsupported';

/** A failed cell has no number, whatever it counted before. */
export function numberOf({ cell }: Entry, metric: Metric): BenchSummary | undefined {
  return cell.status === 'ok' || cell.status === 'interrupted' ? metric.summary(cell) : undefined;
}

function bar(summary: BenchSummary, { ink, limit }: TargetStyle, scale: Scale, at: RowPlace): Shape[] {
  const beyond = summary.median > scale.max;
  const end = at.x(Math.min(summary.median, scale.max));
  const top = at.middle - BAR / 2;
  const shape = { x: at.left, y: top, width: Math.max(1, end - at.left), height: BAR, r: [0, 2, 2, 0] };
  const filled: Shape = {
    type: 'rect',
    silent: true,
    shape,
    style: limit
      ? { fill: INKS.limitFill.light, stroke: INKS.limit.light, lineWidth: 1, lineDash: [4, 3] }
      : { fill: ink.light },
  };
  if (beyond) return [filled, ...torn(end - 26, top)];
  return [
    filled,
    ...errorBar(at, summary.low, Math.min(summary.high, scale.max), halo()),
    ...errorBar(at, summary.low, Math.min(summary.high, scale.max), {
      stroke: INKS.text.light,
      lineWidth: 1.4,
    }),
  ];
}

/** Behind an error bar, so that it can be told from the bar below it. */
const halo = (): object => ({ stroke: INKS.surface.light, lineWidth: 3.4 });

/** Two slanted strokes through a bar that goes on beyond the picture. */
function torn(x: number, top: number): Shape[] {
  return [0, 7].map((shift) => ({
    type: 'line',
    silent: true,
    shape: { x1: x + shift, y1: top + BAR + 3, x2: x + shift + 6, y2: top - 3 },
    style: { stroke: INKS.surface.light, lineWidth: 3, fill: 'none' },
  }));
}
