import { caveatsOf } from './caveats.js';
import { isPossible } from './charts/bars.js';
import { formatDate, loadTitle, shellCommand } from './format.js';
import { type Group, PART_TITLES, type Part, partNote, partsOf, roundsOf, targetOf } from './groups.js';
import { machineFacts } from './html/trust.js';
import { CAPACITY, CPU, MEMORY, type Metric, metricsOf, OVERLOAD, P50, P99, RATE } from './metrics.js';
import type { BenchReport } from './schema.js';
import { groupTable, type Table } from './tables.js';
import { limitSentences, verdictsOf } from './verdicts.js';

/** What a table in a pull request has room for; the HTML report has the rest. */
const SHOWN: ReadonlySet<string> = new Set(
  [RATE, CAPACITY, P50, P99, ...OVERLOAD, CPU, MEMORY].map(({ title }) => title),
);

/** The report for a README or a pull request: the summary, a table per scenario, the machine, the command. */
export function markdownReport(report: BenchReport): string {
  const parts = partsOf(report);
  const verdicts = parts.flatMap((part) => verdictBlock(report, part));
  const head = [
    `## Benchmark of ${formatDate(report.startedAt)}`,
    '### Who is ahead',
    ...(verdicts.length === 0 ? ['Nothing was compared with a baseline.'] : verdicts),
    '### Before you believe it',
    bullets(caveatsOf(report).map(({ text }) => escapeMarkdown(text))),
  ];
  const foot = ['### Machine and command', machineLine(report), fenced(shellCommand(report.commandLine))];
  const room = MAX_CHARACTERS - [...head, ...foot].join('\n\n').length;
  const numbers = parts.flatMap((part) => partBlocks(report, part));
  return `${[...head, ...fitting(numbers, room), ...foot].join('\n\n')}\n`;
}

/** A comment of GitHub takes 65,536; some are left for what a bot writes around the report. */
const MAX_CHARACTERS = 60_000;

const CUT = 'More tables than a comment has room for: the HTML report and the CSV have them all.';

/** As many blocks as there is room for. */
function fitting(blocks: readonly string[], room: number): string[] {
  let left = room - CUT.length;
  const end = blocks.findIndex((block) => {
    left -= block.length + 2;
    return left < 0;
  });
  return end < 0 ? [...blocks] : [...blocks.slice(0, end), CUT];
}

/** A block of code, whatever backticks it has. */
function fenced(code: string): string {
  const longest = Math.max(2, ...[...code.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  return `${fence}sh\n${code}\n${fence}`;
}

function verdictBlock(report: BenchReport, part: Part): string[] {
  const verdicts = verdictsOf(report, part).map(
    ({ subject, rest }) => `**${escapeMarkdown(subject)}**${escapeMarkdown(rest)}`,
  );
  return verdicts.length === 0 ? [] : [`**${PART_TITLES[part.kind]}**`, bullets(verdicts)];
}

function partBlocks(report: BenchReport, part: Part): string[] {
  return [
    `### Numbers: ${PART_TITLES[part.kind]}`,
    escapeMarkdown(partNote(report, part.kind)),
    ...part.groups.flatMap((group) => groupBlocks(report, group)),
  ];
}

function groupBlocks(report: BenchReport, group: Group): string[] {
  const { scenario, load } = group;
  const under = load.kind === 'cold' || load.kind === 'init' ? '' : `, ${loadTitle(load)}`;
  return [
    `**${escapeMarkdown(`${scenario.title}${under}`)}** – median (lowest–highest of ${roundsOf(group)}); ratios with their interval`,
    markdownTable(shortened(report, group)),
    ...limitSentences(group).map(escapeMarkdown),
  ];
}

/** The columns that matter most, and the ratio of the first of them. */
function shortened(report: BenchReport, whole: Group): Table {
  const possible = whole.entries.filter(isPossible);
  const group = { ...whole, entries: possible.length === 0 ? whole.entries : possible };
  const table = groupTable(report, group);
  const metrics: readonly Metric[] = metricsOf(group.entries.map(({ cell }) => cell));
  const ratio = table.columns.findIndex(({ unit }) => unit === 'ratio');
  const kept = table.columns.flatMap(({ title, unit }, index) => {
    const metric = metrics.find((one) => one.title === title);
    const isMark = metric?.key.startsWith('mark:') === true;
    return index === 0 ||
      index === ratio ||
      (unit !== 'ratio' && (isMark || metrics.length === 0 || SHOWN.has(title)))
      ? [index]
      : [];
  });
  const pick = <T>(items: readonly T[]): T[] =>
    kept.map((index) => items[index]).filter((item) => item !== undefined);
  return { columns: pick(table.columns), rows: table.rows.map(pick) };
}

/** A table as Markdown has it; numbers to the right. */
export function markdownTable({ columns, rows }: Table): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    row(columns.map(({ title }) => escapeMarkdown(title))),
    `|${columns.map(({ numeric }) => (numeric ? '---:' : '---')).join('|')}|`,
    ...rows.map((cells) => row(cells.map(({ text }) => escapeMarkdown(text)))),
  ].join('\n');
}

function machineLine(report: BenchReport): string {
  const baseline =
    report.baselineId === undefined ? [] : [`baseline ${targetOf(report, report.baselineId).title}`];
  const facts = machineFacts(report).map(([name, value]) => `${name} ${value}`);
  return escapeMarkdown([...facts, ...baseline].join(' · '));
}

const bullets = (items: readonly string[]): string => items.map((item) => `- ${item}`).join('\n');

/** A text that Markdown shows as it is, on one line and within a table's cell. */
export const escapeMarkdown = (text: string): string =>
  text
    .replace(/\s*\n\s*/g, ' ')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replace(/([\\`*_[\]|~#])/g, '\\$1')
    .replaceAll(/@(?=\w)/g, '@<!-- -->');
