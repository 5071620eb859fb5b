import type { Change, Comparison, StateChange } from './compare.js';
import { countOf, formatBetween, formatChange, formatDate, formatShare, loadTitle } from './format.js';
import { targetOf } from './groups.js';
import type { BenchReport } from './schema.js';
import type { Table, TableCell } from './tables.js';

/** A comparison in words and tables, from which the terminal's text, Markdown and HTML are made. */
export interface ComparisonText {
  readonly title: string;
  readonly sentences: readonly string[];
  readonly tables: readonly { readonly title: string; readonly table: Table }[];
}

export function comparisonText(
  before: BenchReport,
  after: BenchReport,
  comparison: Comparison,
): ComparisonText {
  const { changes, states, facts } = comparison;
  const having = (verdict: Change['verdict']): Change[] =>
    changes.filter((change) => change.verdict === verdict);
  const regressions = changes.filter(({ regression }) => regression);
  const worse = having('worse').filter(({ regression }) => !regression);
  const inOneRun = states.filter(isInOneRun);
  const altered = states.filter((state) => !isInOneRun(state));
  const tableOf = (title: string, some: readonly Change[]): ComparisonText['tables'] =>
    some.length === 0 ? [] : [{ title, table: changesTable(after, some) }];
  const stateTables = (title: string, some: readonly StateChange[]): ComparisonText['tables'] =>
    some.length === 0 ? [] : [{ title, table: statesTable(before, after, some) }];
  return {
    title: `What changed from ${versionOf(before)} to ${versionOf(after)}`,
    sentences: [
      verdict(comparison, regressions),
      counts(comparison),
      ...(worse.length === 0
        ? []
        : [
            `Not counted is what stays within the threshold, what rests on few requests (p90 and p99.9 are only watched), and what is no target to fail by.`,
          ]),
      ...(inOneRun.length === 0 ? [] : [`${countOf(inOneRun.length, 'cell')} in one run only.`]),
      ...(facts.length === 0
        ? ['Both ran on a machine with the same facts.']
        : [
            `The machines’ facts differ, so that a change may not be the code’s: ${facts.map(([name, was, is]) => `${name} ${was} → ${is}`).join('; ')}.`,
          ]),
    ],
    tables: [
      ...tableOf('Regressions', regressions),
      ...stateTables('Measured differently', altered),
      ...tableOf('Worse, but not counted', worse),
      ...tableOf('Better', having('better')),
      ...tableOf('Undecided', having('undecided')),
      ...tableOf('Unchanged', having('unchanged')),
      ...stateTables('In one run only', inOneRun),
    ],
  };
}

/** What only one of the runs had in its plan says nothing about the other. */
const isInOneRun = ({ before, after }: StateChange): boolean =>
  before === 'not measured' || after === 'not measured';

const versionOf = ({ machine, startedAt }: BenchReport): string =>
  `${formatDate(startedAt)}${machine.commit === undefined ? '' : ` (${machine.commit.slice(0, 9)})`}`;

function verdict({ regression, states, threshold }: Comparison, regressions: readonly Change[]): string {
  if (!regression) return `No significant regression beyond ${formatShare(threshold)}.`;
  const broken = states.filter((state) => state.regression).length;
  const parts = [
    ...(regressions.length === 0
      ? []
      : [`${countOf(regressions.length, 'significant regression')} beyond ${formatShare(threshold)}`]),
    ...(broken === 0 ? [] : [`${countOf(broken, 'cell')} that used to give right answers failed`]),
  ];
  return `${parts.join(', and ')}.`;
}

function counts({ changes, confidence }: Comparison): string {
  const count = (wanted: Change['verdict']): string =>
    `${changes.filter(({ verdict: one }) => one === wanted).length} ${wanted}`;
  const chance = Math.round(changes.length * (1 - confidence));
  const sure = `with ${formatShare(confidence).replace('.0', '')} intervals up to ${chance} of them may look changed by chance alone`;
  return `${countOf(changes.length, 'number')} compared: ${count('better')}, ${count('worse')}, ${count('unchanged')}, ${count('undecided')}; ${sure}.`;
}

const TEXT = (title: string): Table['columns'][number] => ({ title, numeric: false });
const NUMBER = (title: string, unit?: string): Table['columns'][number] => ({
  title,
  numeric: true,
  ...(unit === undefined ? {} : { unit }),
});

function changesTable(report: BenchReport, changes: readonly Change[]): Table {
  return {
    columns: [
      TEXT('target'),
      TEXT('scenario'),
      TEXT('load'),
      TEXT('number'),
      NUMBER('before'),
      NUMBER('after'),
      NUMBER('change', 'ratio'),
    ],
    rows: changes.map((change): TableCell[] => [
      ...place(report, change),
      { text: change.metric.title },
      { text: change.metric.format(change.before), value: change.before },
      { text: change.metric.format(change.after), value: change.after },
      {
        text: formatBetween(
          formatChange(change.ratio),
          formatChange(change.low),
          formatChange(change.high),
          ' to ',
        ),
        value: change.ratio,
        tone: ({ better: 'ahead', worse: 'behind', unchanged: 'muted', undecided: 'muted' } as const)[
          change.verdict
        ],
      },
    ]),
  };
}

function place(report: BenchReport, { targetId, scenarioId, load }: Change | StateChange): TableCell[] {
  const scenario = report.scenarios.find(({ id }) => id === scenarioId)?.title ?? scenarioId;
  return [targetOf(report, targetId).title, scenario, loadTitle(load)].map((text) => ({ text }));
}

function statesTable(before: BenchReport, after: BenchReport, states: readonly StateChange[]): Table {
  return {
    columns: [TEXT('target'), TEXT('scenario'), TEXT('load'), TEXT('before'), TEXT('after'), TEXT('reason')],
    rows: states.map((state): TableCell[] => [
      ...place(state.after === 'not measured' ? before : after, state),
      { text: state.before },
      { text: state.after, ...(state.regression ? { tone: 'behind' as const } : {}) },
      { text: (state.reason ?? '').split('\n')[0] ?? '' },
    ]),
  };
}
