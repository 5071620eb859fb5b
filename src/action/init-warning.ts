import type { InitWarning } from '../protocol/answer.js';
import type { InitCode } from '../protocol/init-body.js';
import { predictStartFailure } from './diagnose-start.js';

/** Every warning of an init, as a word for programs. */
export const INIT_WARNINGS = [
  'empty_body',
  'no_value',
  'no_code',
  'no_exec',
  'exec_misplaced',
  'empty',
  'base64_zip',
  'base64_gzip',
  'zip',
  'byte_order_mark',
  'utf16',
  'late_interpreter',
  'unknown_format',
  'no_interpreter',
  'interpreter_missing',
  'interpreter_line',
  'interpreter_line_too_long',
  'crlf',
  'wrong_architecture',
  'loader_missing',
  'other',
] as const;

const DEFAULT_SERVES = 'the default action answers every run';
const WITHOUT_CODE = {
  body: ['empty_body', 'the body of the init is empty'],
  value: ['no_value', 'the body of the init has no "value", which is where "code" and "binary" belong'],
  code: ['no_code', 'the init has no "code" in its "value"'],
} as const;

/**
 * What is probably a mistake in an init without code (C-INIT-02).
 *
 * @param isDefault whether the default action is what serves now
 */
export function warningWithoutCode(
  { missing, isMisplaced }: Extract<InitCode, { kind: 'none' }>,
  isDefault: boolean,
): InitWarning | undefined {
  if (!isDefault && isMisplaced !== true) return undefined;
  const [reason, text] = WITHOUT_CODE[missing];
  return { reason, text: isDefault ? `${text}: ${DEFAULT_SERVES}` : text };
}

/**
 * The same of an archive without `exec` (C-INIT-07).
 *
 * @param foundElsewhere what in it looks like an `exec`, and what to do about it
 */
export function warningWithoutExec(
  foundElsewhere: string | undefined,
  isDefault: boolean,
): InitWarning | undefined {
  if (foundElsewhere !== undefined) {
    return {
      reason: 'exec_misplaced',
      text: `the archive has no exec at its top, but there is ${foundElsewhere}`,
    };
  }
  if (!isDefault) return undefined;
  return { reason: 'no_exec', text: `the archive has no exec: ${DEFAULT_SERVES}` };
}

/** What of an `exec` that is in place will keep it from being started, as far as the file shows it. */
export function warningOfExec(exec: string): InitWarning | undefined {
  const seen = predictStartFailure(exec);
  if (seen === undefined) return undefined;
  const isKnown = (INIT_WARNINGS as readonly string[]).includes(seen.reason);
  return {
    reason: isKnown ? seen.reason : 'other',
    text: seen.text.replace(/^error: (\[Errno \d+\] [^:]*: )?/, ''),
  };
}
