import { decodeBase64InPlace } from '../base64.js';
import { readBody } from '../body.js';
import { type Variable, variableProblem } from '../environment.js';
import type { Failure } from '../errors.js';
import { decodeInPlace, decodeString } from '../json-string.js';
import { kindAt, withoutLineBreaks } from '../json-text.js';
import {
  MAX_CONTEXT_MEMBERS,
  type Member,
  type MemberSelection,
  type Members,
  readMembers,
} from '../members.js';

/** What an ActionLoop init asks for. */
interface ActionLoopInitRequest {
  /** The upload: an archive or one file. It may overlay the body's bytes. */
  readonly code: Buffer;
  /** For a compiler. */
  readonly main: string;
  readonly variables: readonly Variable[];
}

/** What `main` is where the body names none, as in the peer. */
const DEFAULT_MAIN = 'main';
const FIELDS: MemberSelection = { named: ['code', 'main', 'binary', 'env'] };
const ENVIRONMENT: MemberSelection = { named: [], others: MAX_CONTEXT_MEMBERS };

/** Reads the body of POST /init in the ActionLoop protocol (C-AL-02, C-AL-03, C-AL-05, C-AL-07). */
export function readActionLoopInitBody(bytes: Uint8Array): ActionLoopInitRequest | Failure {
  const body = readBody(bytes, { named: ['value'] });
  if (body.kind === 'empty') return malformed('there is no body');
  if (body.kind === 'malformed') return malformed(body.reason);
  if (body.kind === 'null') return { code: 'loop_no_code' };
  if (body.kind !== 'object') return malformed('the body must be an object');
  const value = body.members.get('value');
  if (value === undefined) return { code: 'loop_no_code' };
  switch (kindAt(body.text, value.value.start)) {
    case 'null':
      return { code: 'loop_no_code' };
    case 'object':
      return readValue(
        body.text,
        readMembers(body.text, value.value.start, value.value.end, 1, FIELDS).members,
      );
    default:
      return malformed('"value" must be an object');
  }
}

function readValue(text: Buffer, members: Members): ActionLoopInitRequest | Failure {
  const field = (name: string): Member | undefined => {
    const member = members.get(name);
    return member === undefined || kindAt(text, member.value.start) === 'null' ? undefined : member;
  };
  const [code, main, binary, env] = ['code', 'main', 'binary', 'env'].map(field);
  if (code !== undefined && kindAt(text, code.value.start) !== 'string')
    return malformed('"code" must be a string');
  if (main !== undefined && kindAt(text, main.value.start) !== 'string')
    return malformed('"main" must be a string');
  if (binary !== undefined && kindAt(text, binary.value.start) !== 'boolean')
    return malformed('"binary" must be true or false');
  const variables = readEnvironment(text, env);
  if ('code' in variables) return variables;
  if (code === undefined || code.value.end - code.value.start === 2) return { code: 'loop_no_code' };
  const named = main === undefined ? '' : decodeString(text, main.value);
  const isBinary = binary !== undefined && text[binary.value.start] === 0x74;
  const upload = isBinary ? decoded(text, code) : decodeInPlace(text, code.value);
  if ('code' in upload) return upload;
  return { code: upload, main: named === '' ? DEFAULT_MAIN : named, variables: variables.list };
}

function decoded(text: Buffer, code: Member): Buffer | Failure {
  const outcome = decodeBase64InPlace(text, code.value.start + 1, code.value.end - 1);
  return 'problem' in outcome ? { code: 'loop_bad_base64', detail: outcome.problem } : outcome.bytes;
}

/** Strings as they are, anything else its JSON text, null too (C-AL-07); the last of each name. */
function readEnvironment(text: Buffer, env: Member | undefined): { list: Variable[] } | Failure {
  if (env === undefined) return { list: [] };
  if (kindAt(text, env.value.start) !== 'object') return malformed('"env" must be an object');
  const values = new Map<string, string>();
  const { start, end } = env.value;
  const members = readMembers(text, start, end, 2, ENVIRONMENT).members.others();
  if ('problem' in members) return malformed(`"env" ${members.problem}`);
  for (const { name, value } of members) {
    const isString = kindAt(text, value.start) === 'string';
    const variable: Variable = [
      name,
      isString ? decodeString(text, value) : withoutLineBreaks(text, value).toString('utf8'),
    ];
    const problem = variableProblem(variable);
    if (problem !== undefined) return malformed(problem);
    values.set(...variable);
  }
  return { list: [...values] };
}

function malformed(detail: string): Failure {
  return { code: 'loop_bad_init', detail };
}
