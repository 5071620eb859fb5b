import { median } from '../measure/statistics.js';
import { countOf, formatMs, formatShare, formatSummary, formatUs, loadTitle } from './format.js';
import { targetOf } from './groups.js';
import type { BenchCell, BenchReport } from './schema.js';

/** Something that a reader has to know before believing a number. */
interface Caveat {
  readonly kind: 'interrupted' | 'absent' | 'failed' | 'noise' | 'unrest' | 'bound' | 'source';
  readonly text: string;
}

/** A calibration that varies more than this, or a larger share of disturbed rounds, says that there was no rest. */
const RESTLESS = 0.1;

/** What is missing, failed, disturbed or limited, the gravest first. */
export function caveatsOf(report: BenchReport): Caveat[] {
  return [
    ...interruptions(report),
    ...failures(report),
    ...absences(report),
    ...bounds(report),
    ...lateness(report),
    ...noise(report),
    ...source(report),
  ];
}

const where = (report: BenchReport, cell: BenchCell): string => {
  const scenario = report.scenarios.find(({ id }) => id === cell.scenarioId)?.title ?? cell.scenarioId;
  return `${targetOf(report, cell.targetId).title} in “${scenario}”, ${loadTitle(cell.load)}`;
};

function interruptions(report: BenchReport): Caveat[] {
  if (!report.interrupted && report.cells.every(({ status }) => status !== 'interrupted')) return [];
  const cells = report.cells.filter(({ status }) => status === 'interrupted');
  const list =
    cells.length === 0 ? '' : ` Cut short: ${cells.map((cell) => where(report, cell)).join('; ')}.`;
  return [
    {
      kind: 'interrupted',
      text: `The run was interrupted: this is what it had measured until then.${list}`,
    },
  ];
}

function failures(report: BenchReport): Caveat[] {
  return report.cells
    .filter(({ status }) => status === 'failed')
    .map((cell) => ({
      kind: 'failed',
      text: `Failed: ${where(report, cell)}: ${sentence(cell.reason ?? 'no reason was given')} It has no number here.`,
    }));
}

function absences(report: BenchReport): Caveat[] {
  const absent = report.targets.filter(({ present }) => !present);
  const cells = report.cells.filter(
    ({ status, targetId }) => status === 'absent' && targetOf(report, targetId).present,
  );
  return [
    ...absent.map(
      ({ title, absentReason }): Caveat => ({
        kind: 'absent',
        text: `Absent: ${title}${absentReason === undefined ? '' : ` (${firstLine(absentReason)})`}. Nothing is claimed about it.`,
      }),
    ),
    ...cells.map(
      (cell): Caveat => ({
        kind: 'absent',
        text: `Absent: ${where(report, cell)}${cell.reason === undefined ? '' : `: ${firstLine(cell.reason)}`}.`,
      }),
    ),
  ];
}

function bounds(report: BenchReport): Caveat[] {
  const bound = report.cells.filter(({ boundBy }) => boundBy === 'generator');
  if (bound.length === 0) return [];
  return [
    {
      kind: 'bound',
      text: `Near the load generator’s own ceiling, so that the target may do more: ${bound.map((cell) => where(report, cell)).join('; ')}.`,
    },
  ];
}

/** A sender that is later than this, in µs, shows in the latencies. */
const LATE_US = 1000;

function lateness(report: BenchReport): Caveat[] {
  const late = report.cells.flatMap((cell) => {
    const us = median(cell.rounds.flatMap(({ senderLateP99Us }) => senderLateP99Us ?? []));
    return us > LATE_US ? [`${where(report, cell)} by ${formatUs(us)}`] : [];
  });
  if (late.length === 0) return [];
  return [
    {
      kind: 'bound',
      text: `The sender itself was late at its 99th percentile, which is in the latencies: ${late.join('; ')}.`,
    },
  ];
}

function noise({
  noise: { calibrationMs, calibrationSpread, repeatedRounds, disturbedRounds },
  cells,
}: BenchReport): Caveat[] {
  const total = cells.reduce((sum, cell) => sum + cell.rounds.length, 0);
  const rounds =
    repeatedRounds === 0 && disturbedRounds === 0
      ? 'No round was disturbed by neighbours.'
      : `${countOf(repeatedRounds, 'round')} repeated because of neighbours on the machine; ${disturbedRounds} of ${countOf(total, 'round')} disturbed all the same and counted.`;
  const restless = calibrationSpread > RESTLESS;
  const rest = restless ? 'the machine was not at rest' : 'the machine was at rest';
  return [
    {
      kind: restless || disturbedRounds > total * RESTLESS ? 'unrest' : 'noise',
      text: `${rounds} A fixed piece of work took ${formatSummary(calibrationMs, formatMs)} over the run, a spread of ${formatShare(calibrationSpread)}: ${rest}.`,
    },
  ];
}

function source({ machine, profile }: BenchReport): Caveat[] {
  return [
    ...(machine.dirty === true
      ? [{ kind: 'source' as const, text: 'The sources had changes that no commit has.' }]
      : []),
    ...(profile === 'quick'
      ? [
          {
            kind: 'source' as const,
            text: 'A quick run: few and short rounds, so small differences stay undecided.',
          },
        ]
      : []),
  ];
}

const sentence = (text: string): string => firstLine(text).replace(/[^…]$/, '$&.');

/** A reason may have a log's tail; a sentence has room for its first line. */
function firstLine(text: string): string {
  const [first = '', ...others] = text.trim().split('\n');
  return others.length === 0 ? first.replace(/\.$/, '') : `${first.replace(/[\s:]+$/, '')} …`;
}
