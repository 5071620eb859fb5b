import { type Body, readBody } from './body.js';
import { type BadVariable, contextVariables, type Variable } from './environment.js';
import type { Failure } from './errors.js';
import { kindAt, withoutLineBreaks } from './json-text.js';
import { MAX_CONTEXT_MEMBERS, type MemberSelection, type Members, readMembers } from './members.js';

/** What a /run asks for: the arguments as one line of JSON text, and the `__OW_*` variables. */
export interface RunInput {
  readonly argument: Buffer;
  readonly variables: readonly Variable[];
}

const WANTED: MemberSelection = { named: ['value', 'activation'], others: MAX_CONTEXT_MEMBERS };
const CONTEXT: MemberSelection = { named: [], others: MAX_CONTEXT_MEMBERS };

/** Of its own each time: whoever runs it overwrites it. */
function noArguments(): Buffer {
  return Buffer.from('{}');
}

/** Reads the body of POST /run (C-RUN-01 to C-RUN-11). The argument may overlay the body's bytes. */
export function readRunBody(bytes: Uint8Array): RunInput | Failure {
  const body = readBody(bytes, WANTED);
  switch (body.kind) {
    case 'malformed':
      return { code: 'run_bad_json', detail: body.reason };
    case 'object':
      return readRunObject(body.text, body.members);
    default:
      return meansNoArguments(body)
        ? { argument: noArguments(), variables: [] }
        : { code: 'run_bad_arguments' };
  }
}

/** What a context fails with that makes no environment (C-RUN-11); one that no process can take fails as its start does (C-RUN-26). */
export function failureOfContext({ problem, tooLarge }: BadVariable): Failure {
  return tooLarge
    ? { code: 'run_start_failed', detail: 'E2BIG' }
    : { code: 'run_bad_context', detail: problem };
}

/** No body, null, and what else the peer's language holds for false, runs with `{}` (C-RUN-01, C-RUN-02). */
function meansNoArguments(body: Exclude<Body, { kind: 'malformed' | 'object' }>): boolean {
  if (body.kind === 'empty' || body.kind === 'null') return true;
  const text = body.text.toString('utf8', body.start, body.end);
  if (body.kind === 'array') return /^\[\s*\]$/.test(text);
  if (body.kind === 'number') return Number(text) === 0;
  return text === '""' || text === 'false';
}

function readRunObject(text: Buffer, members: Members): RunInput | Failure {
  const value = members.get('value');
  const kind = value === undefined ? 'object' : kindAt(text, value.value.start);
  if (kind !== 'object' && kind !== 'array') return { code: 'run_bad_arguments' };
  const variables = variablesOf(text, members);
  if ('problem' in variables) return failureOfContext(variables);
  const argument = value === undefined ? noArguments() : withoutLineBreaks(text, value.value);
  return { argument, variables };
}

/** Those of the members of `activation` where it is given, of null none, else of the body's own (C-RUN-09). */
function variablesOf(text: Buffer, members: Members): readonly Variable[] | BadVariable {
  const activation = members.get('activation');
  if (activation === undefined) return contextVariables(text, members);
  const { start, end } = activation.value;
  switch (kindAt(text, start)) {
    case 'null':
      return [];
    case 'object':
      return contextVariables(text, readMembers(text, start, end, 1, CONTEXT).members);
    default:
      return { problem: '"activation" must be an object or null' };
  }
}
