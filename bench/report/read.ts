import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { messageOf } from '../../src/protocol/message-of.js';
import { type BenchReport, reportSchema } from './schema.js';

/** A file that is no report of this schema; the message names the file and what is wrong with it. */
export class InvalidReport extends Error {
  override readonly name = 'InvalidReport';
}

/**
 * Reads a report and checks it by the schema.
 *
 * @throws InvalidReport when there is none at that path
 */
export async function readReport(path: string): Promise<BenchReport> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    throw new InvalidReport(`${path} can't be read: ${messageOf(cause)}`, { cause });
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new InvalidReport(`${path} is no JSON: ${messageOf(cause)}`, { cause });
  }
  return checkReport(json, path);
}

/**
 * @param name of what is checked, for the message
 * @throws InvalidReport naming every field that is wrong
 */
export function checkReport(json: unknown, name: string): BenchReport {
  const checked = reportSchema.safeParse(json);
  if (checked.success) return checked.data;
  throw new InvalidReport(`${name} is no benchmark report:\n${z.prettifyError(checked.error)}`);
}
