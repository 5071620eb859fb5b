import { CPU, marksOf, P50, P90, P99, P999, peakMemory } from './metrics.js';
import type { BenchCell, BenchReport, BenchRound } from './schema.js';

type Value = string | number | undefined;

type Column = readonly [name: string, read: (cell: BenchCell, round: BenchRound | undefined) => Value];

const CELL_COLUMNS: readonly Column[] = [
  ['target', (cell) => cell.targetId],
  ['scenario', (cell) => cell.scenarioId],
  ['load', (cell) => cell.load.kind],
  ['connections', ({ load }) => ('connections' in load ? load.connections : undefined)],
  ['due_per_second', ({ load }) => (load.kind === 'open' ? load.ratePerSecond : undefined)],
  ['times_capacity', ({ load }) => (load.kind === 'open' ? load.factor : undefined)],
  ['p99_limit_us', ({ load }) => (load.kind === 'capacity' ? load.p99LimitUs : undefined)],
  ['status', (cell) => cell.status],
  ['reason', (cell) => cell.reason],
  ['bound_by', (cell) => cell.boundBy],
];

const ROUND_COLUMNS: readonly Column[] = [
  ['round', (cell, round) => (round === undefined ? undefined : cell.rounds.indexOf(round) + 1)],
  ['started_at', (_, round) => round?.startedAt],
  ['seconds', (_, round) => round?.seconds],
  ['repeated', (_, round) => round?.repeated],
  ['requests', (_, round) => round?.requests],
  ['rate_per_second', (_, round) => round?.ratePerSecond],
  ['min_us', (_, round) => round?.latency?.minUs],
  ['mean_us', (_, round) => round?.latency?.meanUs],
  ...(
    [
      ['p50_us', P50],
      ['p75_us', undefined],
      ['p90_us', P90],
      ['p99_us', P99],
      ['p999_us', P999],
    ] as const
  ).map(
    ([name, metric]): Column => [
      name,
      (_, round) =>
        round === undefined ? undefined : metric === undefined ? round.latency?.p75Us : metric.ofRound(round),
    ],
  ),
  ['max_us', (_, round) => round?.latency?.maxUs],
  ['errors', (_, round) => round && errorsText(round)],
  ['cpu_seconds_per_activation', (_, round) => round && CPU.ofRound(round)],
  ['peak_memory_bytes', (_, round) => round && peakMemory(round)],
  ['others_share', (_, round) => round?.noise.othersShare],
  ['steal_share', (_, round) => round?.noise.stealShare],
  ['generator_cpu_share', (_, round) => round?.generatorCpuShare],
  ['sender_late_p99_us', (_, round) => round?.senderLateP99Us],
  ['psi_cpu_share', (_, round) => round?.noise.psiCpuShare],
];

/** One row per cell and round, with plain numbers; a cell without rounds has one row. RFC 4180. */
export function csvReport({ cells }: BenchReport): string {
  const marks = marksOf(cells).map((mark): Column => [`${mark}_ms`, (_, round) => round?.marksMs?.[mark]]);
  const columns = [...CELL_COLUMNS, ...ROUND_COLUMNS, ...marks];
  const rows = cells.flatMap((cell) =>
    (cell.rounds.length === 0 ? [undefined] : cell.rounds).map((round) =>
      columns.map(([, read]) => field(read(cell, round))),
    ),
  );
  return [columns.map(([name]) => field(name)), ...rows].map((row) => `${row.join(',')}\r\n`).join('');
}

const errorsText = ({ errors }: BenchRound): string =>
  Object.entries(errors)
    .map(([kind, count]) => `${kind}: ${count}`)
    .join('; ');

function field(value: Value): string {
  const text = value === undefined ? '' : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
