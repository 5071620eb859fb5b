import { readBody } from './body.js';
import { kindAt, type Span } from './json-text.js';
import { readMembers } from './members.js';

/** A longer token is no number of milliseconds: sixteen digits, each perhaps an escape, and quotes. */
const MAX_TOKEN_BYTES = 98;

/**
 * The `deadline` of a run request: milliseconds of the epoch, which the platform sends as a string
 * (C-PLAT-05); in `activation` where that is given (C-RUN-09). Undefined where there is none, or none that can
 * be understood.
 */
export function parseDeadline(bytes: Uint8Array): number | undefined {
  const body = readBody(bytes, { named: ['activation', 'deadline'] });
  if (body.kind !== 'object') return undefined;
  const { text } = body;
  const activation = body.members.get('activation')?.value;
  const nested = activation !== undefined && kindAt(text, activation.start) === 'object';
  const members = nested
    ? readMembers(text, activation.start, activation.end, 1, { named: ['deadline'] }).members
    : body.members;
  const deadline = members.get('deadline')?.value;
  return deadline === undefined ? undefined : millisecondsIn(text, deadline);
}

function millisecondsIn(text: Buffer, { start, end }: Span): number | undefined {
  if (end - start > MAX_TOKEN_BYTES) return undefined;
  const token = text.toString('utf8', start, end);
  const shown = kindAt(text, start) === 'string' ? (JSON.parse(token) as string) : token;
  return /^\d{1,16}$/.test(shown) ? Number(shown) : undefined;
}
