import { closeSync, openSync, readSync } from 'node:fs';
import { constants } from 'node:os';
import { readHead } from '../os/executable.js';
import type { ProcessExit } from '../protocol/answer.js';
import {
  type Explanation,
  explainEncoding,
  explainLine,
  type ResultReason,
} from '../protocol/invalid-result.js';

/** What is known of an action that has given no result. */
export interface MissingResult {
  /** The last line of its standard output, without its line break; undefined where it wrote none. */
  readonly line: Buffer | undefined;
  /** Whether the line before it looks like a result. */
  readonly followsResult: boolean;
  readonly wroteStderr: boolean;
  /** How its process ended; undefined where that is not known. */
  readonly exit: ProcessExit | undefined;
}

/** Why there is no result, and whether the activation's own log says so too. */
export interface ResultDiagnosis extends Explanation<ResultReason> {
  readonly isLogged: boolean;
}

/** What Linux reads of a `#!` line: BINPRM_BUF_SIZE (linux/binfmts.h) without its end. */
export const MAX_INTERPRETER_LINE_BYTES = 255;
/** So much of a script is looked at for what explains its end. */
const MAX_SCRIPT_BYTES = 64 * 1024;
const COMMAND_NOT_EXECUTABLE = 126;
const COMMAND_NOT_FOUND = 127;

/**
 * Why an action that was started has given no result, where that can be seen from outside. Called after the fact, so
 * that a run that works pays nothing for it.
 */
export function diagnoseMissingResult(exec: string, seen: MissingResult): ResultDiagnosis {
  const { line, followsResult, exit } = seen;
  const encoding = line && explainEncoding(line);
  if (encoding !== undefined) return { ...encoding, isLogged: encoding.reason !== 'not_utf8' };
  const interpreter = exit?.status === 0 ? undefined : interpreterLineOf(exec);
  if (interpreter !== undefined) return { ...interpreter, isLogged: true };
  const isOpened = line !== undefined && /^\s*[[{]/.test(line.toString('latin1', 0, 64));
  const end = isOpened && exit?.signal === undefined ? undefined : explainEnd(exec, exit);
  if (end !== undefined) return { ...end, isLogged: false };
  if (line !== undefined) return { ...explainLine(line, followsResult), isLogged: false };
  return { ...explainSilence(seen), isLogged: false };
}

/** Why a process that ended otherwise than by exit(0) gave no result; undefined where it did not. */
export function explainEnd(
  exec: string,
  exit: ProcessExit | undefined,
): Explanation<ResultReason> | undefined {
  if (exit?.signal !== undefined) {
    const text = `the action was ended by ${signalName(exit.signal)} before it had printed a result`;
    return { reason: 'signal', text };
  }
  const status = exit?.status ?? 0;
  if (status === 0) return undefined;
  if (status === COMMAND_NOT_FOUND) {
    return {
      reason: 'command_not_found',
      text: 'exit status 127: a command that the action calls was not found (is it in the image, and in PATH?)',
    };
  }
  if (status === COMMAND_NOT_EXECUTABLE) {
    return {
      reason: 'command_not_executable',
      text: 'exit status 126: a file that the action calls can’t be executed (chmod +x it before packing)',
    };
  }
  const advice = scriptAdvice(exec);
  const text = `exit status ${status}: the action ended before it had printed a result`;
  return { reason: 'exit_status', text: advice === undefined ? text : `${text}; ${advice}` };
}

function explainSilence({ wroteStderr }: MissingResult): Explanation<ResultReason> {
  if (wroteStderr) {
    return {
      reason: 'only_stderr',
      text: 'the action wrote to standard error only: its result must be the last line of its standard output',
    };
  }
  return {
    reason: 'no_output',
    text: 'the action printed nothing: its result must be the last line of its standard output',
  };
}

/** What of a shell script makes it end early. */
function scriptAdvice(exec: string): string | undefined {
  const script = readStart(exec);
  if (!/^#!.*\b(sh|bash|dash|ksh|zsh)\b/.test(script)) return undefined;
  const ends = /^#!.*\s-\w*e/.test(script) || /^\s*set\s+(-\w*e|-o\s+errexit)/m.test(script);
  if (!ends) return undefined;
  const first = 'under set -e a script ends at the first command that fails';
  if (!/\bread\b/.test(script)) return first;
  return `${first}, and read fails on standard input, which has no line break at its end: write read -r args || true`;
}

function readStart(exec: string): string {
  try {
    const fd = openSync(exec, 'r');
    try {
      const bytes = Buffer.alloc(MAX_SCRIPT_BYTES);
      return bytes.toString('latin1', 0, readSync(fd, bytes, 0, bytes.length, 0));
    } finally {
      closeSync(fd);
    }
  } catch {
    return '';
  }
}

function signalName(number: number): string {
  const [name] = Object.entries(constants.signals).find(([, value]) => value === number) ?? [];
  return name === undefined ? `signal ${number}` : `${name} (signal ${number})`;
}

/** Why a line of ActionLoop is no result, where its first bytes show that, for the log. @param line without its line break */
export function diagnoseLine(line: Buffer): string | undefined {
  const encoding = explainEncoding(line);
  return encoding === undefined || encoding.reason === 'not_utf8' ? undefined : `error: ${encoding.text}`;
}

/** The kernel hands on what stands behind the interpreter as it is, so it is the interpreter that fails. */
export function diagnoseInterpreterLine(exec: string): string | undefined {
  const found = interpreterLineOf(exec);
  return found && `error: ${found.text}`;
}

function interpreterLineOf(exec: string): Explanation<'crlf' | 'interpreter_line_too_long'> | undefined {
  const head = readHead(exec);
  if (head?.toString('latin1', 0, 2) !== '#!') return undefined;
  const line = head.toString('latin1').split('\n', 1)[0] as string;
  if (line.endsWith('\r')) {
    return {
      reason: 'crlf',
      text: `the #! line of ${exec} ends in CRLF, a Windows line break, so its last word has a carriage return at its end: save it with LF line breaks`,
    };
  }
  if (line.length <= MAX_INTERPRETER_LINE_BYTES) return undefined;
  return { reason: 'interpreter_line_too_long', text: tooLong(exec) };
}

/** For a `#!` line that the kernel cuts off. */
export function interpreterLineTooLong(exec: string): string {
  return `error: ${tooLong(exec)}`;
}

function tooLong(exec: string): string {
  return `the #! line of ${exec} is longer than ${MAX_INTERPRETER_LINE_BYTES} bytes, which is what the system takes of it`;
}
