import type { Failure } from '../errors/table.js';
import { type Body, lastMember, readBody } from './body.js';
import { contextVariables, type Variable } from './environment.js';
import { kindAt, type Member, readMembers, withoutLineBreaks } from './json-text.js';

/** What a /run asks for: the arguments as one line of JSON text, and the `__OW_*` variables. */
export interface RunRequest {
  readonly argument: Buffer;
  readonly variables: readonly Variable[];
}

/** Of its own each time: whoever runs it overwrites it. */
function noArguments(): Buffer {
  return Buffer.from('{}');
}

/** Reads the body of POST /run (C-RUN-01 to C-RUN-11). The argument may overlay the body's bytes. */
export function readRunBody(bytes: Uint8Array): RunRequest | Failure {
  const body = readBody(bytes);
  switch (body.kind) {
    case 'malformed':
      return { code: 'run_bad_json', detail: body.reason };
    case 'object':
      return readRunObject(body.text, body.members);
    default:
      return runsWithoutArguments(body)
        ? { argument: noArguments(), variables: [] }
        : { code: 'run_bad_arguments' };
  }
}

/** No body, null, and what else the peer's language holds for false, runs with `{}` (C-RUN-01, C-RUN-02). */
function runsWithoutArguments(body: Exclude<Body, { kind: 'malformed' | 'object' }>): boolean {
  if (body.kind === 'empty' || body.kind === 'null') return true;
  const text = body.text.toString('utf8', body.start, body.end);
  if (body.kind === 'array') return /^\[\s*\]$/.test(text);
  if (body.kind === 'number') return Number(text) === 0;
  return text === '""' || text === 'false';
}

function readRunObject(text: Buffer, members: readonly Member[]): RunRequest | Failure {
  const value = lastMember(members, 'value');
  const kind = value === undefined ? 'object' : kindAt(text, value.value.start);
  if (kind !== 'object' && kind !== 'array') return { code: 'run_bad_arguments' };
  const context = contextOf(text, members);
  if (context === undefined)
    return { code: 'run_bad_context', detail: '"activation" must be an object or null' };
  const variables = contextVariables(text, context);
  if ('problem' in variables) return { code: 'run_bad_context', detail: variables.problem };
  const argument = value === undefined ? noArguments() : withoutLineBreaks(text, value.value);
  return { argument, variables };
}

/** The members that make the environment: those of `activation` where it is given, of null none (C-RUN-09). */
function contextOf(text: Buffer, members: readonly Member[]): readonly Member[] | undefined {
  const activation = lastMember(members, 'activation');
  if (activation === undefined) return members;
  const { start, end } = activation.value;
  switch (kindAt(text, start)) {
    case 'null':
      return [];
    case 'object':
      return readMembers(text, start, end, 1).members;
    default:
      return undefined;
  }
}
