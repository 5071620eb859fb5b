import { describe, expect, it } from 'vitest';
import { equal, holds, matches, show, Violation } from '../../conformance/check.js';
import { markdownOf } from '../../conformance/report/markdown.js';
import { type CaseResult, countsOf, type RunReport, summaryOf } from '../../conformance/report/result.js';
import { tableOf } from '../../conformance/report/table.js';

const CASES: readonly CaseResult[] = [
  {
    rule: 'C-RUN-01',
    title: 'one | two',
    protocol: 'classic',
    kind: 'peer',
    result: 'passed',
    durationMs: 5,
  },
  {
    ...{ rule: 'C-RUN-02', title: 'a rule of all', protocol: 'classic', kind: 'peer', result: 'failed' },
    ...{ reason: 'status: expected 404, got 200', durationMs: 6 },
  },
  {
    ...{ rule: 'C-RUN-03', title: 'a better rule', protocol: 'classic', kind: 'better', result: 'failed' },
    ...{ reason: 'status: expected 400, got 200', durationMs: 7 },
  },
  {
    ...{ rule: 'C-LOG-01', title: 'logs', protocol: 'classic', kind: 'peer', result: 'skipped' },
    ...{ reason: 'needs --start', durationMs: 0 },
  },
] as const;

const REPORT: RunReport = {
  target: 'a runtime',
  protocol: 'classic',
  startedAt: '2026-11-24T12:00:00.000Z',
  versions: { suite: '0.1.0', node: '20.0.0' },
  cases: CASES,
};

describe('reports', () => {
  it('count failures, and among them those that peers share', () => {
    expect(countsOf(CASES)).toEqual({ passed: 1, failed: 2, differs: 1, skipped: 1 });
    expect(summaryOf(REPORT)).toBe(
      '4 cases: 1 passed, 2 failed (1 of them where peers differ as documented), 1 skipped',
    );
  });

  it('as a table: a line a case, why it was skipped, what was expected and what came', () => {
    const lines = tableOf(REPORT).split('\n');
    expect(lines[1]).toMatch(/^C-RUN-02 +a rule of all +failed$/);
    expect(lines[2]).toMatch(/^C-RUN-03 +a better rule +differs$/);
    expect(lines[3]).toMatch(/^C-LOG-01 +logs +skipped +needs --start$/);
    expect(tableOf(REPORT)).toContain('C-RUN-02 a rule of all (failed)\n  status: expected 404, got 200\n');
  });

  it('as Markdown: a column a target, and nothing that changes with every run', () => {
    const other: RunReport = { ...REPORT, target: 'another', cases: CASES.slice(0, 1) };
    const page = markdownOf([REPORT, other]);
    expect(page).toContain('| a runtime | 2026-11-24 | suite 0.1.0, node 20.0.0 | 1 | 1 | 1 | 1 |');
    expect(page).toContain('| rule | case | a runtime | another |\n|---|---|---|---|\n');
    expect(page).toContain('| C-RUN-01 | one \\| two | passed | passed |');
    expect(page).toContain('| C-RUN-02 | a rule of all | failed | – |');
    expect(page).toContain(
      'Failures of a runtime:\n\n- C-RUN-02, a rule of all: `status: expected 404, got 200`\n',
    );
    expect(page).toContain('| C-RUN-03 | a better rule | differs | – |');
  });

  it('say what was expected and what came', () => {
    expect(() => equal('status', 200, 404)).toThrow(new Violation('status: expected 404, got 200'));
    expect(() => equal('body', { a: [1] }, { a: [2] })).toThrow('body: expected {"a":[2]}, got {"a":[1]}');
    expect(() => matches('log', 'x', /y/)).toThrow('log: expected text that matches /y/, got "x"');
    expect(() => holds('time', false, 'under 3 s', '4 s')).toThrow('time: expected under 3 s, got "4 s"');
    expect(show('x'.repeat(1000))).toMatch(/^"x{399}… \(1002 characters\)$/);
    expect(show(undefined)).toBe('undefined');
  });
});
