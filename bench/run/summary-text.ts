import type { BenchCell, BenchReport, BenchSummary } from '../report/schema.js';
import { table } from '../support/table.js';
import { describeLoad } from './load-group.js';

const MAX_CHARS = 120;

/** The numbers of a run as text: a table for each scenario and load. */
export function summaryText(report: BenchReport): string {
  const groups = new Map<string, BenchCell[]>();
  for (const cell of report.cells) {
    if (cell.status === 'absent' || cell.status === 'unsupported') continue;
    const key = `${titleOf(report, cell)} · ${describeLoad(cell.load)}`;
    groups.set(key, [...(groups.get(key) ?? []), cell]);
  }
  return [...groups].map(([title, cells]) => `${title}\n${groupTable(report, cells)}`).join('\n\n');
}

function titleOf(report: BenchReport, cell: BenchCell): string {
  return report.scenarios.find(({ id }) => id === cell.scenarioId)?.title ?? cell.scenarioId;
}

function groupTable(report: BenchReport, cells: readonly BenchCell[]): string {
  const marks = [...new Set(cells.flatMap((cell) => Object.keys(cell.summary?.marksMs ?? {})))];
  const timed = marks.length > 0;
  const head = timed
    ? ['target', ...marks.map((mark) => `${mark} ms`), 'MB', 'against the baseline', '']
    : ['target', 'per s', 'p50 ms', 'p99 ms', 'CPU ms', 'MB', 'against the baseline', ''];
  const rows = cells.map((cell) => {
    const { summary } = cell;
    const numbers = timed
      ? marks.map((mark) => spread(summary?.marksMs?.[mark], 1, 0))
      : [
          spread(summary?.ratePerSecond, 1, 0),
          spread(summary?.p50Us, 1e-3, 2),
          spread(summary?.p99Us, 1e-3, 2),
          spread(summary?.cpuSecondsPerActivation, 1e3, 2),
        ];
    return [
      cell.targetId,
      ...numbers,
      spread(summary?.peakMemoryBytes, 1e-6, 0),
      ratio(report, cell),
      note(cell),
    ];
  });
  return table(head, rows);
}

function spread(summary: BenchSummary | undefined, factor: number, digits: number): string {
  if (summary === undefined) return '';
  const text = (value: number): string => (value * factor).toFixed(digits);
  return `${text(summary.median)} (${text(summary.low)}–${text(summary.high)})`;
}

/** The ratio of the rate, or of the time to the first answer. */
function ratio(report: BenchReport, cell: BenchCell): string {
  const load = JSON.stringify(cell.load);
  const found = report.comparisons.find(
    ({ targetId, scenarioId, metric, mark, ...rest }) =>
      targetId === cell.targetId &&
      scenarioId === cell.scenarioId &&
      JSON.stringify(rest.load) === load &&
      (metric === 'ratePerSecond' || mark === 'firstAnswer' || mark === 'init'),
  );
  if (found === undefined) return '';
  const sure = found.better === 'undecided' ? ', undecided' : '';
  return `${found.ratio.toFixed(2)}× ${found.baselineId} (${found.low.toFixed(2)}–${found.high.toFixed(2)}${sure})`;
}

function note(cell: BenchCell): string {
  if (cell.status !== 'ok')
    return `${cell.status}${cell.reason === undefined ? '' : `: ${onOneLine(cell.reason)}`}`;
  return cell.boundBy === 'generator' ? 'bound by the generator' : '';
}

function onOneLine(text: string): string {
  const line = text.replaceAll(/\s*\n\s*/g, ' ');
  return line.length > MAX_CHARS ? `${line.slice(0, MAX_CHARS)}…` : line;
}
