import { formatted } from '../picture/format.js';
import { finitePoints, type PanelResult } from './evaluate.js';

/** What a query gave, as a row of a table: where it stands, series, points, the last value of the largest series. */
export function resultRow(result: PanelResult): string[] {
  const { row, panel, refId, series, problem, excuse } = result;
  // A heatmap's unit is that of its bands; what it counts is how many come in a second.
  const unit = result.kind === 'heatmap' ? 'reqps' : result.unit;
  const points = finitePoints(series);
  const lasts = series.flatMap(
    ({ values }) => values.findLast(([, value]) => Number.isFinite(value))?.[1] ?? [],
  );
  return [
    row,
    panel,
    refId,
    String(series.length),
    String(points),
    lasts.length === 0 ? '-' : formatted(Math.max(...lasts), unit),
    problem ?? (excuse === undefined ? 'ok' : `empty: ${excuse}`),
  ];
}
