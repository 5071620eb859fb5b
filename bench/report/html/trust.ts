import { medianCurve, percentileChart } from '../charts/curves.js';
import { INKS } from '../charts/theme.js';
import {
  countOf,
  formatBytes,
  formatMs,
  formatRate,
  formatSummary,
  formatUs,
  shellCommand,
} from '../format.js';
import type { BenchReport } from '../schema.js';
import type { Table, TableCell } from '../tables.js';
import { escapeHtml } from './escape.js';
import { figure, figures } from './page.js';
import { htmlTable } from './table.js';

/** What shows whether the numbers can be believed: the generator, the proof, the machine, the targets. */
export function trustSections(report: BenchReport): string {
  return `${generatorSection(report)}${omissionSection(report)}${targetsSection(report)}${machineSection(report)}`;
}

function generatorSection({ generator }: BenchReport): string {
  if (generator === undefined) return '';
  const wrk = generator.wrk ?? [];
  const rows = generator.ceilings.map(({ connections, ratePerSecond }): TableCell[] => {
    const other = wrk.find((one) => one.connections === connections);
    return [
      { text: `${connections}`, value: connections },
      { text: formatSummary(ratePerSecond, formatRate), value: ratePerSecond.median },
      other === undefined
        ? { text: '–', tone: 'muted' }
        : { text: formatSummary(other.ratePerSecond, formatRate), value: other.ratePerSecond.median },
    ];
  });
  const note =
    generator.wrk === undefined
      ? 'wrk is not installed, so that there is nothing to hold it against.'
      : 'wrk against the same server in the same run shows what the generator itself costs.';
  return `<section id="generator"><h2>The load generator’s own ceiling</h2>
<p>Requests per second against a bare answer. A target that comes near it is marked as bound by the generator. ${note}</p>
${htmlTable('Requests/s against the bare answer', {
  columns: [
    { title: 'connections', numeric: true },
    { title: 'this generator', unit: '1/s', numeric: true },
    { title: 'wrk', unit: '1/s', numeric: true },
  ],
  rows,
})}</section>
`;
}

function omissionSection({ omissionProof: proof }: BenchReport): string {
  if (proof === undefined) return '';
  const { naive, fromDue } = proof;
  const chart = percentileChart(
    [
      {
        name: 'from when it was due',
        style: { ink: INKS.text, dash: undefined, limit: false },
        points: medianCurve([fromDue]),
      },
      {
        name: 'from when it was sent',
        style: { ink: INKS.limit, dash: [5, 3], limit: true },
        points: medianCurve([naive]),
      },
    ],
    'A target that stalls, measured both ways',
  );
  return `<section id="omission"><h2>What a naive measurement hides</h2>
<p>A target that stalls for ${formatMs(proof.stallMs)} every ${formatMs(proof.everyMs)} on purpose, with ${formatRate(proof.ratePerSecond)} due. A closed loop waits during the stall instead of asking: its p99 is ${formatUs(naive.p99Us)}. Counted from when each request was due, it is ${formatUs(fromDue.p99Us)}. That is how the latencies at a fixed rate are counted here.</p>
${figures(figure('The same stalling target, measured both ways', chart))}</section>
`;
}

function targetsSection({ targets }: BenchReport): string {
  const table: Table = {
    columns: ['target', 'what it is', 'protocol', 'engine', 'version', 'command or address', 'at once'].map(
      (title) => ({ title, numeric: false }),
    ),
    rows: targets.map((target): TableCell[] => [
      { text: target.reference ? `${target.title} (limit)` : target.title },
      {
        text: target.present
          ? target.description
          : `${target.description}\nAbsent: ${target.absentReason ?? 'no reason was given'}`,
        ...(target.present ? {} : { tone: 'muted' as const }),
      },
      { text: target.protocol },
      { text: target.engine ?? '–' },
      { text: target.version ?? '–' },
      { text: target.command === undefined ? (target.url ?? '–') : shellCommand(target.command) },
      { text: target.concurrency === undefined ? '–' : `${target.concurrency}` },
    ]),
  };
  return `<section id="targets"><h2>Targets</h2>\n${htmlTable('What was measured', table)}</section>\n`;
}

/** Names and values of what a number depends on. */
export function machineFacts({ machine, ...report }: BenchReport): [string, string][] {
  const packages = Object.entries(machine.packages).map(([name, version]) => `${name} ${version}`);
  const commit = machine.commit === undefined ? [] : [machine.commit.slice(0, 12)];
  return [
    ['CPU', `${machine.cpu}, ${countOf(machine.cores, 'core')}`],
    ['memory', formatBytes(machine.memoryBytes)],
    ['kernel', machine.kernel],
    ['system', machine.os],
    ['Node', machine.node],
    ['packages', packages.join(', ')],
    ['commit', [...commit, ...(machine.dirty === true ? ['with changes'] : [])].join(' ')],
    ['profile', report.profile],
    ['started', report.startedAt],
    ['finished', report.finishedAt],
  ].filter((fact): fact is [string, string] => fact[1] !== '');
}

function machineSection(report: BenchReport): string {
  return `<section id="machine"><h2>Machine and command</h2>
<pre>${escapeHtml(shellCommand(report.commandLine))}</pre>
${htmlTable('Where it was measured', {
  columns: [
    { title: 'fact', numeric: false },
    { title: 'value', numeric: false },
  ],
  rows: machineFacts(report).map(([name, value]) => [{ text: name }, { text: value }]),
})}</section>
`;
}
