import { isUtf8 } from 'node:buffer';
import type { AnswerFailure } from './answer.js';
import { JsonTextError, skipValue } from './json-text.js';
import { readMembers } from './members.js';

const LINE_BREAK = 0x0a;

/** Blanks as the peer strips them: space, tab, line feed, vertical tab, form feed, carriage return. */
function isBlank(byte: number | undefined): boolean {
  return byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
}

/**
 * The result in an action's last line (C-RUN-16, C-RUN-18, C-RUN-22, C-RUN-23): its own bytes without
 * the blanks around them when they are a JSON object or array in valid UTF-8; undefined otherwise.
 */
export function parseResult(line: Buffer): Buffer | undefined {
  let start = 0;
  let end = line.length;
  while (start < end && isBlank(line[start])) start++;
  while (end > start && isBlank(line[end - 1])) end--;
  const first = line[start];
  if (first !== 0x7b && first !== 0x5b) return undefined;
  const result = line.subarray(start, end);
  if (!isUtf8(result)) return undefined;
  try {
    return skipValue(result, 0, result.length) === result.length ? result : undefined;
  } catch (error) {
    if (error instanceof JsonTextError) return undefined;
    throw error;
  }
}

const OPEN_BRACE = 0x7b;
const ERROR_NAME = Buffer.from('"error"');
/** What the platform takes of a result by default (C-PLAT-07); a longer one is not read a second time. */
const MAX_ERROR_RESULT_BYTES = 1024 * 1024;

/**
 * Whether a result that {@link parseResult} has found is an error as the platform understands it: an object with a member
 * `error` (C-RUN-20). False for results of more than one MiB.
 */
export function isActionError(result: Buffer): boolean {
  if (result[0] !== OPEN_BRACE || result.length > MAX_ERROR_RESULT_BYTES) return false;
  if (!result.includes(ERROR_NAME)) return false;
  const { members } = readMembers(result, 0, result.length, 0, { named: ['error'] });
  return members.get('error') !== undefined;
}

/**
 * The failure of a last line that is longer than a result may be (C-LOG-04).
 *
 * @param lineBytes of it, as far as it was read
 */
export function resultTooLarge(lineBytes: number, maxBytes: number): AnswerFailure {
  const explanation = `the last line of standard output has ${lineBytes} bytes, and a result may have ${maxBytes} (HYPERSKELETON_MAX_RESULT_BYTES)`;
  return { code: 'run_result_too_large', reason: 'too_large', explanation };
}

/** What an action's last line is. */
export interface ResultVerdict {
  /** The result in memory of its own; absent if the line is none. */
  readonly result?: Uint8Array;
  /** Whether it is an error of the action's own making (C-RUN-20). */
  readonly actionError?: true;
}

/**
 * Judges a line as {@link parseResult} and {@link isActionError} do; takes time by its length.
 *
 * @param whole whether the result is the line itself, with its line feed (C-AL-14): it takes no copy then
 */
export function judgeResult(line: Buffer, whole = false): ResultVerdict {
  const result = parseResult(withoutFinalLineBreak(line));
  if (result === undefined) return {};
  return {
    result: whole ? line : new Uint8Array(result),
    ...(isActionError(result) && { actionError: true }),
  };
}

/** The line without the one line break that may end it (C-RUN-16). */
export function withoutFinalLineBreak(line: Buffer): Buffer {
  return line.length > 0 && line[line.length - 1] === LINE_BREAK ? line.subarray(0, -1) : line;
}
