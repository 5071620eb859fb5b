import { median } from '../../measure/statistics.js';
import { formatUs } from '../format.js';
import type { Group } from '../groups.js';
import type { BenchLatency } from '../schema.js';
import type { Styles } from './bars.js';
import { type Line, linesChart } from './lines.js';
import { logScale, percentileScale } from './scale.js';
import { UNKNOWN_STYLE } from './theme.js';

/** Points per nine. */
const DENSITY = 12;

/** The latency that this share of the requests did not exceed. */
export function latencyAt({ curve, maxUs }: BenchLatency, share: number): number {
  return curve.find(([upTo]) => upTo >= share - 1e-12)?.[1] ?? maxUs;
}

/** The shares at which a curve of so many requests is read, up to the slowest one. */
function sharesOf(count: number): number[] {
  const nines = Math.log10(Math.max(10, count));
  const steps = Math.ceil(nines * DENSITY);
  return Array.from({ length: steps + 1 }, (_, step) => 1 - 10 ** -((step / steps) * nines));
}

/** At each share the median over the rounds. */
export function medianCurve(rounds: readonly BenchLatency[]): [number, number][] {
  const measured = rounds.filter(({ count }) => count > 0);
  if (measured.length === 0) return [];
  const count = Math.min(...measured.map((one) => one.count));
  return sharesOf(count).map((share) => [share, median(measured.map((one) => latencyAt(one, share)))]);
}

/** Latency by percentile, the further right the rarer; undefined where no target has any. */
export function curvesChart(group: Group, styles: Styles): string | undefined {
  const lines = group.entries.flatMap(({ target, cell }): Line[] => {
    if (cell.status !== 'ok' && cell.status !== 'interrupted') return [];
    const points = medianCurve(
      cell.rounds.flatMap(({ latency }) => (latency === undefined ? [] : [latency])),
    );
    const style = styles.get(target.id) ?? UNKNOWN_STYLE;
    return points.length === 0 ? [] : [{ name: target.title, style, points }];
  });
  return percentileChart(lines, `${group.scenario.title}: latency by percentile`);
}

/** Curves of [share, µs] points; undefined without any. */
export function percentileChart(lines: readonly Line[], title: string): string | undefined {
  const values = lines.flatMap(({ points }) => points.map(([, us]) => us));
  if (values.length === 0) return undefined;
  const farthest = Math.max(...lines.map(({ points }) => 1 / (1 - (points.at(-1)?.[0] ?? 0))));
  return linesChart({
    title,
    description: lines
      .map(({ name, points }) => `${name}: up to ${formatUs(points.at(-1)?.[1] ?? 0)}`)
      .join('; '),
    lines,
    x: percentileScale(farthest),
    y: logScale(values, formatUs),
    xTitle: 'percentile of requests',
    yTitle: 'latency, logarithmic',
  });
}
