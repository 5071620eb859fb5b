import { isUtf8 } from 'node:buffer';
import { JsonTextError, kindAt, skipValue } from './json-text.js';
import { parseResult } from './result.js';

const LINE_REASONS = [
  'empty_last_line',
  'not_last_line',
  'not_one_line',
  'scalar',
  'not_json',
  'not_utf8',
  'utf16',
  'byte_order_mark',
] as const;

/** Why the last line of an action's output is no result, as a word for programs. */
export type LineReason = (typeof LINE_REASONS)[number];

/** Every reason for which an action that was started has no result. */
export const RESULT_REASONS = [
  ...LINE_REASONS,
  'too_large',
  'no_output',
  'only_stderr',
  'signal',
  'exit_status',
  'command_not_found',
  'command_not_executable',
  'crlf',
  'interpreter_line_too_long',
] as const;

export type ResultReason = (typeof RESULT_REASONS)[number];

/** What the line is, as sentences name it. */
const LAST_LINE = 'the last line of standard output';

/** Why there is no result, for the action's author. */
export interface Explanation<Reason extends string = string> {
  readonly reason: Reason;
  /** One sentence. It quotes nothing that the action has written. */
  readonly text: string;
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16_MARKS: readonly Buffer[] = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];
/** Of a longer line only what native code finds at once is looked for. */
const MAX_READ_BYTES = 64 * 1024;

/**
 * Why a line that `parseResult` refuses is no result (C-RUN-16 to C-RUN-18, C-RUN-22, C-RUN-23).
 *
 * @param line without its line break
 * @param followsResult whether the line before it looks like a result
 * @param subject what the line is called
 */
export function explainLine(
  line: Buffer,
  followsResult: boolean,
  subject = LAST_LINE,
): Explanation<LineReason> {
  const encoded = explainEncoding(line);
  if (encoded !== undefined) return encoded;
  if (line.length > MAX_READ_BYTES) return { reason: 'not_json', text: `${subject} is not JSON` };
  const text = line.toString('utf8').trim();
  if (text === '') {
    return {
      reason: 'empty_last_line',
      text: `${subject} is empty: print nothing behind the result, not even a line break`,
    };
  }
  if (followsResult) {
    return {
      reason: 'not_last_line',
      text: 'something was printed to standard output behind the result, which must be the last line: print logs before it, or to standard error',
    };
  }
  return explainText(text, subject);
}

/** The same of an encoding that is not UTF-8, or has a mark; undefined where it is as it should be. */
export function explainEncoding(line: Buffer): Explanation<LineReason> | undefined {
  if (UTF16_MARKS.some((mark) => line.subarray(0, mark.length).equals(mark)))
    return { reason: 'utf16', text: 'the last line is UTF-16, and a result is JSON in UTF-8' };
  const hasMark = line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  if (hasMark && parseResult(line.subarray(BYTE_ORDER_MARK.length)) !== undefined) {
    return {
      reason: 'byte_order_mark',
      text: 'the result begins with a byte order mark (the bytes EF BB BF), which is no part of JSON: print it without',
    };
  }
  if (isUtf8(line)) return undefined;
  return {
    reason: 'not_utf8',
    text: 'the last line of standard output is not UTF-8, as Latin-1 is not: print the result in UTF-8, or escape what is not ASCII',
  };
}

/** A text in UTF-8 that is not empty and has no blanks around it. */
function explainText(text: string, subject: string): Explanation<LineReason> {
  const notJson = (why: string): Explanation<LineReason> => ({
    reason: 'not_json',
    text: `${subject} is not JSON: ${why}`,
  });
  const bytes = Buffer.from(text);
  if (closesMoreThanItOpens(text)) {
    return {
      reason: 'not_one_line',
      text: `${subject} is the end of a JSON text over several lines: print the result on one line (jq -c, json.dumps without indent, JSON.stringify without spaces)`,
    };
  }
  try {
    const end = skipValue(bytes, 0, bytes.length);
    if (end < bytes.length) return notJson(`something follows the JSON value at byte ${end}`);
    return {
      reason: 'scalar',
      text: `${subject} is a JSON ${kindAt(bytes, 0)}, and a result is an object or an array: print it as {"result": …}`,
    };
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    const rest = bytes.toString('utf8', error.offsetBytes, error.offsetBytes + MAX_TOKEN_BYTES);
    const hint = TOKEN_HINTS.find(([token]) => token.test(rest))?.[1];
    return notJson(`${error.message}${hint === undefined ? '' : ` (${hint})`}`);
  }
}

const MAX_TOKEN_BYTES = 16;
/** What languages print that JSON does not have. */
const TOKEN_HINTS: readonly (readonly [token: RegExp, hint: string])[] = [
  [/^-?(NaN|Infinity)|^[+-]?(nan|inf)\b/, 'NaN and Infinity are not in JSON: print null or a string'],
  [/^'/, 'JSON has double quotes: print json.dumps(result) in Python, not the dict itself'],
  [/^(True|False|None)\b/, 'this is Python: print json.dumps(result), not the dict itself'],
  [/^undefined\b/, 'undefined is not in JSON: the function returned nothing'],
  [/^\[object /, 'print JSON.stringify(result), not the object itself'],
];

/** Whether brackets are closed in it that were opened before it; those in strings do not count. */
function closesMoreThanItOpens(text: string): boolean {
  let depth = 0;
  for (const bracket of text.replace(/"(?:[^"\\]|\\.)*"/g, '').replace(/[^[\]{}]/g, '')) {
    depth += bracket === '{' || bracket === '[' ? 1 : -1;
    if (depth < 0) return true;
  }
  return false;
}
