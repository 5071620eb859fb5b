import { describe, expect, it } from 'vitest';
import { csvReport } from '../../bench/report/csv.js';
import { htmlReport } from '../../bench/report/html/report.js';
import { markdownReport } from '../../bench/report/markdown.js';
import type { BenchReport } from '../../bench/report/schema.js';
import { trendPage } from '../../bench/report/trend.js';
import { sampleReport } from './sample-report.js';

const REPORT = sampleReport({ rounds: 3 });
const { generator: _, omissionProof: __, baselineId: ___, ...BARE } = REPORT;
const ZERO = { median: 0, low: 0, high: 0 };

/** Reports that a run can end with, however unlucky it was. */
const UNLUCKY: Record<string, BenchReport> = {
  'interrupted before its first cell': { ...BARE, cells: [], comparisons: [], targets: [], scenarios: [] },
  'nothing but absent targets': {
    ...BARE,
    comparisons: [],
    targets: REPORT.targets.map((target) => ({ ...target, present: false })),
    cells: REPORT.cells.map(({ summary, ...cell }) => ({ ...cell, status: 'absent' as const, rounds: [] })),
  },
  'not one answer': {
    ...BARE,
    comparisons: [],
    cells: REPORT.cells.map((cell) => ({
      ...cell,
      summary: { ratePerSecond: ZERO, p50Us: ZERO, peakMemoryBytes: ZERO },
      rounds: cell.rounds.map((round) => ({ ...round, requests: 0, ratePerSecond: 0, cpu: [], memory: [] })),
    })),
  },
  'rounds without samples or latencies': {
    ...BARE,
    cells: REPORT.cells.map((cell) => ({
      ...cell,
      rounds: cell.rounds.map(({ latency, ...round }) => ({ ...round, cpu: [], memory: [] })),
    })),
  },
  'ids that nothing describes': { ...BARE, targets: [], scenarios: [] },
  'ratios of nothing': {
    ...REPORT,
    comparisons: REPORT.comparisons.map((one) => ({ ...one, ratio: 0, low: 0, high: 0 })),
  },
};

describe.each(Object.entries(UNLUCKY))('%s', (_name, report) => {
  it.each([
    ['HTML', htmlReport],
    ['Markdown', markdownReport],
    ['CSV', csvReport],
    ['trend', (one: BenchReport) => trendPage([one])],
  ] as const)('is written as %s without holes', (_kind, write) => {
    const text = write(report);
    expect(text.length).toBeGreaterThan(200);
    expect(text).not.toMatch(/undefined|NaN|Infinity|\[object/);
  });
});

it('a report without comparisons says so', () => {
  for (const write of [htmlReport, markdownReport])
    expect(write({ ...BARE, comparisons: [] })).toContain('Nothing was compared with a baseline');
});
