import { lastMember, readBody } from './body.js';
import { decodeString, kindAt, readMembers } from './json-text.js';

/**
 * The `deadline` of a run request: milliseconds of the epoch, which the platform sends as a string
 * (C-PLAT-05); in `activation` where that is given (C-RUN-09). Undefined where there is none, or none that can
 * be understood.
 */
export function deadlineIn(bytes: Uint8Array): number | undefined {
  const body = readBody(bytes);
  if (body.kind !== 'object') return undefined;
  const activation = lastMember(body.members, 'activation');
  const nested = activation !== undefined && kindAt(body.text, activation.value.start) === 'object';
  const members = nested
    ? readMembers(body.text, activation.value.start, activation.value.end, 1).members
    : body.members;
  const deadline = lastMember(members, 'deadline');
  if (deadline === undefined) return undefined;
  const isString = kindAt(body.text, deadline.value.start) === 'string';
  const text = isString
    ? decodeString(body.text, deadline.value)
    : body.text.toString('latin1', deadline.value.start, deadline.value.end);
  return /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}
