import type { Header } from '../answer.js';
import { readBody } from '../body.js';
import { contextOf, contextVariables, type Variable } from '../environment.js';
import type { Failure } from '../errors.js';
import { INIT_MEMBERS, type InitRequest, readInitValue } from '../init-body.js';
import { decodeString } from '../json-string.js';
import { kindAt, skipBlanks, withoutLineBreaks } from '../json-text.js';
import {
  MAX_CONTEXT_MEMBERS,
  type Member,
  type MemberSelection,
  Members,
  readMembers,
  withoutMembers,
} from '../members.js';
import { failureOfContext, type RunInput } from '../run-body.js';

/** What a request in Knative mode asks for. */
type KnativeRequest =
  | { readonly kind: 'run'; readonly request: RunInput }
  /** It brings an init, which goes first; `rest` is the request without it, where there is one. */
  | { readonly kind: 'init'; readonly init: KnativeInit; readonly rest?: Buffer };

/** What an init sets for every later run. */
interface KnativeInit {
  /** Whether runs get their body and query as text instead of parameters (C-KN-15). */
  readonly raw: boolean;
  /** The default of the action's name (C-KN-13). */
  readonly name: string;
}

const PARTS: MemberSelection = { named: ['init', 'activation', 'value'] };
const SETTINGS: MemberSelection = { named: ['binary', 'raw', 'name'] };
const CONTEXT: MemberSelection = { named: [], others: MAX_CONTEXT_MEMBERS };
/** What the request's own members are called in the arguments (C-KN-12, C-KN-15). */
const REQUEST_MEMBERS = ['__ow_user', '__ow_method', '__ow_headers', '__ow_path'] as const;

/** Of its own each time: whoever runs it overwrites it. */
function emptyObject(): Buffer {
  return Buffer.from('{}');
}

/**
 * Reads a request at `/` (C-KN-03 to C-KN-16): the translation in front of POST /init and POST /run.
 *
 * @param context what the server knows besides the body
 */
export function readKnativeRequest(bytes: Uint8Array, context: KnativeContext): KnativeRequest | Failure {
  const parsed = membersOf(bytes);
  if ('code' in parsed) return parsed;
  const { text, members } = parsed;
  const init = present(text, members.get('init'));
  if (init === undefined || context.initIsDone) {
    const request = readRun(text, members, context);
    return 'code' in request ? request : { kind: 'run', request };
  }
  if (context.dedicated) return { code: 'knative_dedicated' };
  const set = readInitSettings(text, init);
  if ('code' in set) return set;
  const others = [members.get('activation'), members.get('value')].filter((one) => one !== undefined);
  return { kind: 'init', init: set, ...(others.length > 0 && { rest: objectOf(text, others) }) };
}

/** Reads the `init` of a request that {@link readKnativeRequest} has found one in, as POST /init does. */
export function readKnativeInit(bytes: Uint8Array): InitRequest | Failure {
  const parsed = membersOf(bytes);
  if ('code' in parsed) return parsed;
  const init = parsed.members.get('init')?.value;
  if (init === undefined) return { code: 'internal', detail: 'the init is missing' };
  const { members } = readMembers(parsed.text, init.start, init.end, 1, INIT_MEMBERS);
  return readInitValue(parsed.text, members);
}

/** No body, and what is not JSON, counts as `{}` (C-KN-03). */
function membersOf(bytes: Uint8Array): { text: Buffer; members: Members } | Failure {
  const body = readBody(bytes, PARTS);
  switch (body.kind) {
    case 'empty':
    case 'malformed':
    case 'null':
      return { text: emptyObject(), members: new Members(emptyObject(), PARTS) };
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

/** The parts of an `init` that are not for POST /init, and the types that C-KN-11 checks. */
function readInitSettings(text: Buffer, init: Member): KnativeInit | Failure {
  if (kindAt(text, init.value.start) !== 'object') {
    return { code: 'knative_bad_init', detail: "Invalid Init. data; expected object for key 'init'." };
  }
  const { members } = readMembers(text, init.value.start, init.value.end, 1, SETTINGS);
  for (const key of ['binary', 'raw']) {
    const member = members.get(key);
    if (member !== undefined && kindAt(text, member.value.start) !== 'boolean') {
      return { code: 'knative_bad_init', detail: `Invalid Init. data; expected boolean for key '${key}'.` };
    }
  }
  const raw = members.get('raw');
  const name = members.get('name');
  const named = name !== undefined && kindAt(text, name.value.start) === 'string';
  return {
    raw: raw !== undefined && text[raw.value.start] === 0x74,
    name: named ? decodeString(text, name.value) : '',
  };
}

function readRun(text: Buffer, members: Members, context: KnativeContext): RunInput | Failure {
  const activation = present(text, members.get('activation'));
  const value = members.get('value');
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
  const { members } = readMembers(text, activation.value.start, activation.value.end, 1, CONTEXT);
  const variables = contextVariables(text, contextOf(members));
  if ('problem' in variables) return failureOfContext(variables);
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
    // A string's own token says the same, and needs no decoding and encoding.
    const body = kind === 'string' ? asText : base64Token(asText);
    const further = Buffer.from(JSON.stringify({ __ow_query: context.query, ...about }));
    return Buffer.concat([Buffer.from('{"__ow_body":'), body, Buffer.from(','), further.subarray(1)]);
  }
  const kept =
    kind === 'object' && value !== undefined
      ? withoutMembers(asText, { start: 0, end: asText.length }, 1, REQUEST_MEMBERS)
      : emptyObject();
  const added = Buffer.from(JSON.stringify(about));
  return isEmptyObject(kept)
    ? added
    : Buffer.concat([kept.subarray(0, -1), Buffer.from(','), added.subarray(1)]);
}

/** Divisible by three, so that no piece but the last is padded. */
const BASE64_PIECE_BYTES = 48 * 1024;

/** The base64 of these bytes as a JSON string, made in pieces: a string of all of it would double it once more. */
function base64Token(bytes: Buffer): Buffer {
  const token = Buffer.allocUnsafe(Math.ceil(bytes.length / 3) * 4 + 2);
  let length = token.write('"', 'latin1');
  for (let at = 0; at < bytes.length; at += BASE64_PIECE_BYTES) {
    const piece = bytes.toString('base64', at, Math.min(at + BASE64_PIECE_BYTES, bytes.length));
    length += token.write(piece, length, 'latin1');
  }
  token.write('"', length, 'latin1');
  return token;
}

/** Whether there is nothing but blanks in the brackets of a checked object. */
function isEmptyObject(object: Buffer): boolean {
  return skipBlanks(object, 1, object.length) === object.length - 1;
}

function requestMembers({
  method,
  headers,
  namespace,
}: KnativeContext): Record<(typeof REQUEST_MEMBERS)[number], unknown> {
  return {
    __ow_user: namespace,
    __ow_method: method,
    __ow_headers: Object.fromEntries(headers),
    __ow_path: '',
  };
}

/** An object with the very text of these members, without line breaks. */
function objectOf(text: Buffer, members: readonly Member[]): Buffer {
  const parts: Buffer[] = [];
  for (const { name, value } of members) {
    parts.push(
      Buffer.from(`${parts.length === 0 ? '{' : ','}${JSON.stringify(name)}:`),
      withoutLineBreaks(text, value),
    );
  }
  return parts.length === 0 ? emptyObject() : Buffer.concat([...parts, Buffer.from('}')]);
}

/** What a request in Knative mode is read with. */
export interface KnativeContext {
  readonly method: string;
  /** The request's headers as the action sees them. */
  readonly headers: readonly Header[];
  /** Without the question mark. */
  readonly query: string;
  readonly accessControlRequestHeaders?: string;
  /** `__OW_NAMESPACE` of the server. */
  readonly namespace: string;
  /** Whether the server's environment brings the action, and requests must not. */
  readonly dedicated: boolean;
  /** Whether the `init` of the body has been dealt with. */
  readonly initIsDone: boolean;
  /** As the last init set it. */
  readonly raw: boolean;
  /** As the last init named it; empty for none. */
  readonly actionName: string;
}
