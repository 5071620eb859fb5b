import type { PanelSpec } from '../panels.js';
import type { PanelResult, Stretch } from '../verify/evaluate.js';
import { legendOf } from './format.js';

/** One line of a panel: what it is called, and its points; undefined where there is none. */
export interface Line {
  readonly name: string;
  readonly points: readonly (readonly [seconds: number, value: number | undefined])[];
}

/** More of them nobody tells apart. */
const MAX_LINES = 8;

/**
 * The lines of a panel, on a common grid of times that begins at zero. What is never but zero is left out.
 *
 * @param most lines that are kept
 */
export function linesOf(results: readonly PanelResult[], stretch: Stretch, most = MAX_LINES): Line[] {
  const all = results.flatMap(({ series, legend }) =>
    series.map(({ metric, values }): Line => {
      const at = new Map(values);
      const points: [number, number | undefined][] = [];
      for (let time = stretch.from; time <= stretch.to; time += stretch.stepSeconds) {
        const value = at.get(time);
        points.push([time - stretch.from, Number.isFinite(value) ? value : undefined]);
      }
      return { name: legendOf(legend, metric), points };
    }),
  );
  const seen = all.filter(({ points }) => points.some(([, value]) => value !== undefined));
  const moving = seen.filter(({ points }) => points.some(([, value]) => value !== undefined && value !== 0));
  return (moving.length > 0 ? moving : seen).slice(0, most);
}

/** The last value of a line; undefined where it has none. */
export function lastOf({ points }: Line): number | undefined {
  return points.findLast(([, value]) => value !== undefined)?.[1];
}

/** The colour of a value: good, or beyond one of the panel's thresholds. */
export function stateOf(value: number, { thresholds }: PanelSpec): 'text' | 'good' | 'warning' | 'critical' {
  if (thresholds === undefined) return 'text';
  const { warning, critical } = thresholds;
  const beyond = (limit: number): boolean => (critical < warning ? value < limit : value >= limit);
  if (beyond(critical)) return 'critical';
  return beyond(warning) ? 'warning' : 'good';
}
