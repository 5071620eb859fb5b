import { lastMember, readBody } from '../contract/body.js';
import { kindAt } from '../contract/json-text.js';

/** The texts of an acknowledgement that did not come (C-AL-10). */
export const NOT_OK = 'The action did not initialize properly.';
export const EXITED_ABRUPTLY = 'Command exited abruptly during initialization.';

/**
 * Reads the line that an action writes on descriptor 3 when it is ready (C-AL-10).
 *
 * @returns undefined where it says `"ok": true`; else why the start has failed
 */
export function problemOfAcknowledgement(line: Buffer): string | undefined {
  const body = readBody(line);
  if (body.kind === 'malformed') return `the acknowledgement is not valid JSON: ${body.reason}`;
  if (body.kind !== 'object') return NOT_OK;
  const ok = lastMember(body.members, 'ok');
  if (ok === undefined || kindAt(body.text, ok.value.start) !== 'boolean') return NOT_OK;
  return body.text[ok.value.start] === 0x74 ? undefined : NOT_OK;
}
