import { readHead } from '../os/executable.js';
import { parseResult, withoutFinalLineBreak } from '../protocol/result.js';

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const UTF16_MARKS: readonly Buffer[] = [Buffer.from([0xff, 0xfe]), Buffer.from([0xfe, 0xff])];
/** What Linux reads of a `#!` line: BINPRM_BUF_SIZE (linux/binfmts.h) without its end. */
export const MAX_INTERPRETER_LINE_BYTES = 255;

/**
 * Why an action that was started has given no result, where that can be seen from outside. Called after the fact, so
 * that a run that works pays nothing for it.
 *
 * @param line the last line of its standard output
 * @param status its exit status; undefined where a signal ended it
 * @returns one line for the log; undefined where there is nothing to tell
 */
export function diagnoseMissingResult(
  exec: string,
  line: Buffer,
  status: number | undefined,
): string | undefined {
  return (
    diagnoseLine(withoutFinalLineBreak(line)) ?? (status === 0 ? undefined : diagnoseInterpreterLine(exec))
  );
}

/** Why a line is no result, where its first bytes show that. @param line without its line break */
export function diagnoseLine(line: Buffer): string | undefined {
  if (UTF16_MARKS.some((mark) => line.subarray(0, mark.length).equals(mark))) {
    return 'error: the last line is UTF-16, and a result is JSON in UTF-8';
  }
  const hasMark = line.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
  if (!hasMark || parseResult(line.subarray(BYTE_ORDER_MARK.length)) === undefined) return undefined;
  return 'error: the result begins with a byte order mark (the bytes EF BB BF), which is no part of JSON: print it without';
}

/** The kernel hands on what stands behind the interpreter as it is, so it is the interpreter that fails. */
export function diagnoseInterpreterLine(exec: string): string | undefined {
  const head = readHead(exec);
  if (head?.toString('latin1', 0, 2) !== '#!') return undefined;
  const line = head.toString('latin1').split('\n', 1)[0] as string;
  if (line.endsWith('\r')) {
    return `error: the #! line of ${exec} ends in CRLF, a Windows line break, so its last word has a carriage return at its end: save it with LF line breaks`;
  }
  return line.length > MAX_INTERPRETER_LINE_BYTES ? interpreterLineTooLong(exec) : undefined;
}

/** For a `#!` line that the kernel cuts off. */
export function interpreterLineTooLong(exec: string): string {
  return `error: the #! line of ${exec} is longer than ${MAX_INTERPRETER_LINE_BYTES} bytes, which is what the system takes of it`;
}
