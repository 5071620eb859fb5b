import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchReport } from './schema.js';

/** Writes a report into a folder and answers the files' paths. */
export async function writeReports(
  report: BenchReport,
  _formats: readonly ('html' | 'md' | 'json' | 'csv')[],
  folder: string,
): Promise<string[]> {
  await mkdir(folder, { recursive: true });
  const path = join(folder, 'report.json');
  await writeFile(path, `${JSON.stringify(report, null, 1)}\n`);
  return [path];
}
