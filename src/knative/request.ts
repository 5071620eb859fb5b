import { lastMember, readBody } from '../contract/body.js';
import { contextVariables, type Variable } from '../contract/environment.js';
import { type InitRequest, readInitValue } from '../contract/init-body.js';
import { decodeString, kindAt, type Member, readMembers, withoutLineBreaks } from '../contract/json-text.js';
import type { RunRequest } from '../contract/run-body.js';
import type { Failure } from '../errors/table.js';
import type { KnativeContext } from '../pool/messages.js';

/** What a request in Knative mode asks for. */
export type KnativeRequest =
  | { readonly kind: 'run'; readonly request: RunRequest }
  /** It brings an init, which goes first; `rest` is the request without it, where there is one. */
  | { readonly kind: 'init'; readonly init: KnativeInit; readonly rest?: Buffer };

/** What an init sets for every later run. */
export interface KnativeInit {
  /** Whether runs get their body and query as text instead of parameters (C-KN-15). */
  readonly raw: boolean;
  /** The default of the action's name (C-KN-13). */
  readonly name: string;
}

type Members = readonly Member[];
/** Of its own each time: whoever runs it overwrites it. */
function emptyObject(): Buffer {
  return Buffer.from('{}');
}

/**
 * Reads a request at `/` (C-KN-03 to C-KN-16): the translation in front of sections 2 and 3.
 *
 * @param context what the server knows besides the body
 */
export function readKnativeRequest(bytes: Uint8Array, context: KnativeContext): KnativeRequest | Failure {
  const parsed = membersOf(bytes);
  if ('code' in parsed) return parsed;
  const { text, members } = parsed;
  const init = present(text, lastMember(members, 'init'));
  if (init === undefined || context.initIsDone) {
    const request = readRun(text, members, context);
    return 'code' in request ? request : { kind: 'run', request };
  }
  if (context.dedicated) return { code: 'knative_dedicated' };
  const set = readInitSettings(text, init);
  if ('code' in set) return set;
  const others = members.filter(({ name }) => name === 'activation' || name === 'value');
  return { kind: 'init', init: set, ...(others.length > 0 && { rest: objectOf(text, others) }) };
}

/** Reads the `init` of a request that {@link readKnativeRequest} has found one in: as section 2. */
export function readKnativeInit(bytes: Uint8Array): InitRequest | Failure {
  const parsed = membersOf(bytes);
  if ('code' in parsed) return parsed;
  const init = lastMember(parsed.members, 'init');
  if (init === undefined) return { code: 'internal', detail: 'the init is missing' };
  return readInitValue(parsed.text, readMembers(parsed.text, init.value.start, init.value.end, 1).members);
}

/** No body, and what is not JSON, counts as `{}` (C-KN-03). */
function membersOf(bytes: Uint8Array): { text: Buffer; members: Members } | Failure {
  const body = readBody(bytes);
  switch (body.kind) {
    case 'empty':
    case 'malformed':
    case 'null':
      return { text: emptyObject(), members: [] };
    case 'object':
      return { text: body.text, members: body.members };
    default:
      return { code: 'knative_not_object' };
  }
}

/** A member that is null counts as none. */
function present(text: Buffer, member: Member | undefined): Member | undefined {
  return member === undefined || kindAt(text, member.value.start) === 'null' ? undefined : member;
}

/** The parts of an `init` that are not for section 2, and the types that C-KN-11 checks. */
function readInitSettings(text: Buffer, init: Member): KnativeInit | Failure {
  if (kindAt(text, init.value.start) !== 'object') {
    return { code: 'knative_bad_init', detail: "Invalid Init. data; expected object for key 'init'." };
  }
  const { members } = readMembers(text, init.value.start, init.value.end, 1);
  for (const key of ['binary', 'raw']) {
    const member = lastMember(members, key);
    if (member !== undefined && kindAt(text, member.value.start) !== 'boolean') {
      return { code: 'knative_bad_init', detail: `Invalid Init. data; expected boolean for key '${key}'.` };
    }
  }
  const raw = lastMember(members, 'raw');
  const name = lastMember(members, 'name');
  const named = name !== undefined && kindAt(text, name.value.start) === 'string';
  return {
    raw: raw !== undefined && text[raw.value.start] === 0x74,
    name: named ? decodeString(text, name.value) : '',
  };
}

function readRun(text: Buffer, members: Members, context: KnativeContext): RunRequest | Failure {
  const activation = present(text, lastMember(members, 'activation'));
  const value = lastMember(members, 'value');
  const variables = readVariables(text, activation, context);
  if ('code' in variables) return variables;
  const argument = readArgument(text, value, value !== undefined && activation !== undefined, context);
  return 'code' in argument ? argument : { argument, variables: variables.list };
}

function readVariables(
  text: Buffer,
  activation: Member | undefined,
  { actionName }: KnativeContext,
): { list: readonly Variable[] } | Failure {
  if (activation === undefined) return { list: [] };
  if (kindAt(text, activation.value.start) !== 'object') {
    return { code: 'run_bad_context', detail: '"activation" must be an object or null' };
  }
  const { members } = readMembers(text, activation.value.start, activation.value.end, 1);
  const variables = contextVariables(text, members);
  if ('problem' in variables) return { code: 'run_bad_context', detail: variables.problem };
  if (actionName === '') return { list: variables };
  const others = variables.filter(([name, given]) => name !== '__OW_ACTION_NAME' || given !== '');
  const isNamed = others.some(([name]) => name === '__OW_ACTION_NAME');
  return { list: isNamed ? others : [...others, ['__OW_ACTION_NAME', actionName]] };
}

/** The arguments, with what the action gets to know of the HTTP request (C-KN-12, C-KN-15, C-KN-16). */
function readArgument(
  text: Buffer,
  value: Member | undefined,
  withRequest: boolean,
  context: KnativeContext,
): Buffer | Failure {
  const kind = value === undefined ? 'object' : kindAt(text, value.value.start);
  const asText = value === undefined ? emptyObject() : withoutLineBreaks(text, value.value);
  if (kind === 'array' && !(withRequest && context.raw)) return asText;
  if (kind !== 'object' && kind !== 'array' && kind !== 'string') return { code: 'run_bad_arguments' };
  if (!withRequest) return kind === 'string' ? emptyObject() : asText;
  const about = requestMembers(context);
  if (context.raw) {
    const body =
      kind === 'string' && value !== undefined ? decodeString(text, value.value) : asText.toString('base64');
    return Buffer.from(JSON.stringify({ __ow_body: body, __ow_query: context.query, ...about }));
  }
  const own =
    kind === 'object' && value !== undefined
      ? readMembers(text, value.value.start, value.value.end, 1).members
      : [];
  const kept = objectOf(
    text,
    own.filter(({ name }) => !Object.hasOwn(about, name)),
  );
  const added = Buffer.from(JSON.stringify(about));
  return kept.length === 2
    ? added
    : Buffer.concat([kept.subarray(0, -1), Buffer.from(','), added.subarray(1)]);
}

function requestMembers({ method, headers, namespace }: KnativeContext): Record<string, unknown> {
  return {
    __ow_user: namespace,
    __ow_method: method,
    __ow_headers: Object.fromEntries(headers),
    __ow_path: '',
  };
}

/** An object with the very text of these members, without line breaks. */
function objectOf(text: Buffer, members: Members): Buffer {
  const parts: Buffer[] = [];
  for (const { name, value } of members) {
    parts.push(
      Buffer.from(`${parts.length === 0 ? '{' : ','}${JSON.stringify(name)}:`),
      withoutLineBreaks(text, value),
    );
  }
  return parts.length === 0 ? emptyObject() : Buffer.concat([...parts, Buffer.from('}')]);
}
