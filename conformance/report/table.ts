import { type CaseResult, type RunReport, summaryOf, wordFor } from './result.js';

const RULE_WIDTH = 10;
const TITLE_WIDTH = 84;
const WORD_WIDTH = 8;

/** One case as a line of the table on stdout. */
export function tableLine(one: CaseResult): string {
  const title = one.title.length > TITLE_WIDTH ? `${one.title.slice(0, TITLE_WIDTH - 1)}…` : one.title;
  const reason = one.result === 'skipped' ? (one.reason ?? '') : '';
  return `${one.rule.padEnd(RULE_WIDTH)} ${title.padEnd(TITLE_WIDTH)} ${wordFor(one).padEnd(WORD_WIDTH)} ${reason}`.trimEnd();
}

/** The table of a run, each failure in full below it, and the summary. */
export function tableOf(report: RunReport): string {
  const failures = report.cases.filter(({ result }) => result === 'failed');
  return [
    ...report.cases.map(tableLine),
    ...failures.map((one) => `\n${one.rule} ${one.title} (${wordFor(one)})\n  ${one.reason ?? ''}`),
    '',
    `${report.target}, ${report.protocol}: ${summaryOf(report)}`,
    '',
  ].join('\n');
}
