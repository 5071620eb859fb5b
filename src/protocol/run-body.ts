import { type Body, readBody } from './body.js';
import { type BadVariable, contextOf, contextVariables, type Variable } from './environment.js';
import type { Failure } from './errors.js';
import { kindAt, type Span, withoutLineBreaks } from './json-text.js';
import {
  MAX_CONTEXT_MEMBERS,
  type Member,
  type MemberSelection,
  type Members,
  readMembers,
} from './members.js';

/** What a /run asks for: the arguments as one line of JSON text, and the `__OW_*` variables. */
export interface RunInput {
  readonly argument: Buffer;
  readonly variables: readonly Variable[];
}

const WANTED: MemberSelection = { named: ['value', 'activation'], others: MAX_CONTEXT_MEMBERS };
const CONTEXT: MemberSelection = { named: [], others: MAX_CONTEXT_MEMBERS };

/** A longer token is no number of milliseconds: sixteen digits, each perhaps an escape, and quotes. */
const MAX_DEADLINE_BYTES = 98;

/** Of its own each time: whoever runs it overwrites it. */
function noArguments(): Buffer {
  return Buffer.from('{}');
}

/**
 * What the body of POST /run says, or why it says nothing. It is plain data with positions in the body, and goes with the
 * body from thread to thread, so that the body is parsed once.
 */
export type ParsedRunBody = RunSpans | Failure;

interface RunSpans {
  /** The arguments; absent for none. */
  readonly argument?: Span;
  readonly context: readonly Member[] | BadVariable;
  /** When the platform wants it to be over, as it stands there. */
  readonly deadline?: Span;
}

/** Parses the body of POST /run (C-RUN-01 to C-RUN-11). */
export function parseRunBody(bytes: Uint8Array): ParsedRunBody {
  const body = readBody(bytes, WANTED);
  switch (body.kind) {
    case 'malformed':
      return { code: 'run_bad_json', detail: body.reason };
    case 'object':
      return parseRunObject(body.text, body.members);
    default:
      return meansNoArguments(body) ? { context: [] } : { code: 'run_bad_arguments' };
  }
}

/**
 * Reads the body of POST /run (C-RUN-01 to C-RUN-11). The argument may overlay the body's bytes.
 *
 * @param parsed the same body as it has been parsed before
 */
export function readRunBody(bytes: Uint8Array, parsed = parseRunBody(bytes)): RunInput | Failure {
  if ('code' in parsed) return parsed;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { argument, context } = parsed;
  const kind = argument === undefined ? 'object' : kindAt(text, argument.start);
  if (kind !== 'object' && kind !== 'array') return { code: 'run_bad_arguments' };
  const variables = contextVariables(text, context);
  if ('problem' in variables) return failureOfContext(variables);
  return { argument: argument === undefined ? noArguments() : withoutLineBreaks(text, argument), variables };
}

/**
 * The `deadline` of a run request in milliseconds of the epoch, which the platform sends as a string (C-PLAT-05); in
 * `activation` where that is given (C-RUN-09). Undefined if there is none, or none that can be understood.
 */
export function deadlineIn(bytes: Uint8Array, parsed: ParsedRunBody): number | undefined {
  if ('code' in parsed || parsed.deadline === undefined) return undefined;
  const { start, end } = parsed.deadline;
  if (end - start > MAX_DEADLINE_BYTES) return undefined;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const token = text.toString('utf8', start, end);
  const shown = kindAt(text, start) === 'string' ? (JSON.parse(token) as string) : token;
  return /^\d{1,16}$/.test(shown) ? Number(shown) : undefined;
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

/** The context is that of `activation` where it is given, of null none, else of the body's own members (C-RUN-09). */
function parseRunObject(text: Buffer, members: Members): RunSpans {
  const activation = members.get('activation')?.value;
  const kind = activation && kindAt(text, activation.start);
  const inner =
    activation === undefined || kind !== 'object'
      ? members
      : readMembers(text, activation.start, activation.end, 1, CONTEXT).members;
  const argument = members.get('value')?.value;
  const deadline = inner.get('deadline')?.value;
  return {
    context:
      kind === undefined || kind === 'object'
        ? contextOf(inner)
        : kind === 'null'
          ? []
          : { problem: '"activation" must be an object or null' },
    ...(argument !== undefined && { argument }),
    ...(deadline !== undefined && { deadline }),
  };
}
