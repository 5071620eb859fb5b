import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { jsonSchemaText, SCHEMA_PATH } from '../../bench/report/json-schema.js';
import { checkReport, InvalidReport } from '../../bench/report/read.js';
import type { BenchReport } from '../../bench/report/schema.js';
import { writeReports } from '../../bench/report/write.js';
import { sampleReport } from './sample-report.js';

it('the published schema is what the code says; `npm run docs` makes it anew', () => {
  expect(readFileSync(new URL(`../../${SCHEMA_PATH}`, import.meta.url), 'utf8')).toBe(jsonSchemaText());
});

it('a report is the same after a round trip', () => {
  const report = sampleReport();
  expect(checkReport(JSON.parse(JSON.stringify(report)), 'it')).toEqual(report);
});

it('a report that is wrong is refused with the place of the error', async () => {
  const wrong = { ...sampleReport(), machine: { ...sampleReport().machine, cores: 1.5 } };
  expect(() => checkReport(wrong, 'x.json')).toThrow(/x\.json is no benchmark report:[\s\S]*machine\.cores/);
  await expect(writeReports(wrong as BenchReport, ['json'], '/nonexistent')).rejects.toThrow(InvalidReport);
});
