import { expect, it } from 'vitest';
import { checkReport } from '../../bench/report/read.js';
import { slimJson } from '../../bench/report/slim.js';
import { sampleReport } from './sample-report.js';

it('keeps a long run small, its peaks and counts as they were', () => {
  const report = sampleReport();
  const series = Array.from({ length: 5000 }, (_, ms): [number, number] => [
    ms,
    ms === 3210 ? 9e8 : 1e8 + ms,
  ]);
  for (const round of report.cells.flatMap(({ rounds }) => rounds)) {
    round.memory = series;
    round.requests = 1_234_567;
    round.ratePerSecond = 1234.56789;
  }
  const text = slimJson(report);
  expect(Buffer.byteLength(text)).toBeLessThan(1_500_000);
  const [round] = checkReport(JSON.parse(text), 'slim').cells.flatMap(({ rounds }) => rounds);
  expect(round?.memory.length).toBeLessThanOrEqual(200);
  expect(round?.memory).toContainEqual([3210, 9e8]);
  expect(round).toMatchObject({ requests: 1_234_567, ratePerSecond: 1234.57 });
});
