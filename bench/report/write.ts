import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { csvReport } from './csv.js';
import { htmlReport } from './html/report.js';
import { markdownReport } from './markdown.js';
import { checkReport } from './read.js';
import type { BenchReport } from './schema.js';

/** The kinds of files that a report can be written as. */
export const FORMATS = ['html', 'md', 'json', 'csv'] as const;

export type Format = (typeof FORMATS)[number];

const WRITERS: Record<Format, (report: BenchReport) => string> = {
  html: htmlReport,
  md: markdownReport,
  json: (report) => `${JSON.stringify(report, null, 2)}\n`,
  csv: csvReport,
};

/**
 * Writes `report.html`, `report.md` and so on into the folder, which is made where it is missing.
 *
 * @returns the paths, in the order of the formats
 * @throws InvalidReport, before anything is written, when the report is not as its schema says
 */
export async function writeReports(
  report: BenchReport,
  formats: readonly Format[],
  folder: string,
): Promise<string[]> {
  const checked = checkReport(report, 'what was measured');
  const files = [...new Set(formats)].map((format) => ({
    path: join(folder, `report.${format}`),
    text: WRITERS[format](checked),
  }));
  for (const { path, text } of files) await writeWhole(path, text);
  return files.map(({ path }) => path);
}

/** Writes a file so that nobody sees a half of it; an older one is there until the new one is whole. */
export async function writeWhole(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const draft = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(draft, text, { flush: true });
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
}
