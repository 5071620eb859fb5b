import { readBody } from '../body.js';
import { kindAt } from '../json-text.js';

/** The texts of an acknowledgement that did not come (C-AL-10). */
const NOT_OK = 'The action did not initialize properly.';
const EXITED_ABRUPTLY = 'Command exited abruptly during initialization.';

/** Without an acknowledgement a process must live that long (C-AL-09). */
export const MIN_UPTIME_MS = 5;

/** What a process says when it is ready. */
interface Acknowledgement {
  /** Whether its lines are to be numbered, in both directions (C-AL-23). */
  readonly numbered: boolean;
}

/**
 * Reads the line that an action writes on descriptor 3 when it is ready (C-AL-10).
 *
 * @returns what it says with `"ok": true`; else why the start has failed
 */
export function readAcknowledgement(line: Buffer): Acknowledgement | string {
  const body = readBody(line, { named: ['ok', 'numbered'] });
  if (body.kind === 'malformed') return `the acknowledgement is not valid JSON: ${body.reason}`;
  if (body.kind !== 'object') return NOT_OK;
  const isTrue = (name: string): boolean => {
    const member = body.members.get(name);
    return (
      member !== undefined &&
      kindAt(body.text, member.value.start) === 'boolean' &&
      body.text[member.value.start] === 0x74
    );
  };
  return isTrue('ok') ? { numbered: isTrue('numbered') } : NOT_OK;
}

/**
 * Judges a start that waits for an acknowledgement (C-AL-10).
 *
 * @param outcome the first line on descriptor 3; or that the process has ended, or the time is up before it
 * @param timeoutMs that time
 * @returns what the process says; else why the start has failed
 */
export function judgeAcknowledgedStart(
  outcome: Buffer | 'exited' | 'late',
  timeoutMs: number,
): Acknowledgement | string {
  if (outcome === 'late') return `there was no acknowledgement within ${timeoutMs} milliseconds`;
  return outcome === 'exited' ? EXITED_ABRUPTLY : readAcknowledgement(outcome);
}
