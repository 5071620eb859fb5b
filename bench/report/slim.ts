import type { BenchReport } from './schema.js';

type Series = [number, number][];

/** What the history may hold of a run. */
const MAX_BYTES = 1_500_000;
/** Points of a series of CPU or memory, tried until the file is small enough. */
const MAX_POINTS = [200, 100, 50, 20];
const DIGITS = 6;

/** The report as JSON that is small enough to be kept in a repository: shorter series, shorter fractions, no blanks. */
export function slimJson(report: BenchReport): string {
  let text = '';
  for (const points of MAX_POINTS) {
    text = `${JSON.stringify(thinned(report, points), shorterFractions)}\n`;
    if (Buffer.byteLength(text) <= MAX_BYTES) break;
  }
  return text;
}

function thinned(report: BenchReport, points: number): BenchReport {
  return {
    ...report,
    cells: report.cells.map((cell) => ({
      ...cell,
      rounds: cell.rounds.map((round) => ({
        ...round,
        memory: thin(round.memory, points),
        cpu: thin(round.cpu, points),
      })),
    })),
  };
}

/** The highest of neighbours stays: a round's peak is read from its series. */
function thin(series: Series, most: number): Series {
  if (series.length <= most) return series;
  const perPoint = series.length / most;
  return Array.from({ length: most }, (_, index) =>
    series
      .slice(Math.floor(index * perPoint), Math.floor((index + 1) * perPoint))
      .reduce((highest, point) => (point[1] > highest[1] ? point : highest)),
  );
}

/** More digits than these were not measured; whole numbers are counts, and stay. */
function shorterFractions(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(DIGITS)) : value;
}
