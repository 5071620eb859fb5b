import { decodeBase64InPlace } from './base64.js';
import { readBody } from './body.js';
import { initVariables, type Variable } from './environment.js';
import type { Failure } from './errors.js';
import { decodeInPlace } from './json-string.js';
import { kindAt } from './json-text.js';
import {
  MAX_CONTEXT_MEMBERS,
  type Member,
  type MemberSelection,
  type Members,
  readMembers,
} from './members.js';

/** The code that an init brings: nothing, the text of one file, or a zip archive. */
export type InitCode =
  | {
      readonly kind: 'none';
      /** What the body does not have: anything, a `value`, or code in it. */
      readonly missing: 'body' | 'value' | 'code';
      /** Whether there is a `code` beside `value`'s place. */
      readonly isMisplaced?: true;
    }
  | { readonly kind: 'text'; readonly text: Buffer }
  | { readonly kind: 'archive'; readonly zip: Buffer };

/** What an /init asks for. */
export interface InitRequest {
  readonly code: InitCode;
  readonly variables: readonly Variable[];
}

/** What of an init's `value` counts. */
export const INIT_MEMBERS: MemberSelection = { named: ['env', 'binary', 'code'] };
const ENVIRONMENT: MemberSelection = { named: [], others: MAX_CONTEXT_MEMBERS };

/**
 * Reads the body of POST /init (C-INIT-02 to C-INIT-26).
 *
 * Code overlays the body's bytes, which are overwritten by it: a 64 MB upload is held once.
 */
export function readInitBody(bytes: Uint8Array): InitRequest | Failure {
  const body = readBody(bytes, { named: ['value', 'code'] });
  if (body.kind === 'empty') return { code: { kind: 'none', missing: 'body' }, variables: [] };
  if (body.kind === 'malformed') return { code: 'init_bad_json', detail: body.reason };
  if (body.kind !== 'object') return { code: 'init_not_object' };
  const value = body.members.get('value');
  if (value === undefined) {
    const isMisplaced = body.members.get('code') !== undefined;
    return {
      code: { kind: 'none', missing: 'value', ...(isMisplaced && { isMisplaced }) },
      variables: [],
    };
  }
  if (kindAt(body.text, value.value.start) !== 'object') return { code: 'init_not_object' };
  const { start, end } = value.value;
  return readInitValue(body.text, readMembers(body.text, start, end, 1, INIT_MEMBERS).members);
}

/** Reads the members of an init's `value`, those of {@link INIT_MEMBERS}. */
export function readInitValue(text: Buffer, members: Members): InitRequest | Failure {
  const variables = readVariables(text, members.get('env'));
  if ('code' in variables) return variables;
  const binary = readBinary(text, members.get('binary'));
  if (typeof binary !== 'boolean') return binary;
  const code = readCode(text, members.get('code'), binary);
  return 'kind' in code ? { code, variables: variables.list } : code;
}

function readVariables(text: Buffer, env: Member | undefined): { list: Variable[] } | Failure {
  if (env === undefined) return { list: [] };
  const kind = kindAt(text, env.value.start);
  if (kind === 'null') return { list: [] };
  if (kind !== 'object') return { code: 'init_bad_field', detail: '"env" must be an object or null' };
  const { start, end } = env.value;
  const list = initVariables(text, readMembers(text, start, end, 2, ENVIRONMENT).members);
  return 'problem' in list ? { code: 'init_bad_env', detail: list.problem } : { list };
}

function readBinary(text: Buffer, binary: Member | undefined): boolean | Failure {
  if (binary === undefined) return false;
  const kind = kindAt(text, binary.value.start);
  if (kind === 'null') return false;
  if (kind === 'boolean') return text[binary.value.start] === 0x74;
  return { code: 'init_bad_field', detail: '"binary" must be true, false or null' };
}

function readCode(text: Buffer, code: Member | undefined, binary: boolean): InitCode | Failure {
  if (code === undefined) return { kind: 'none', missing: 'code' };
  const { start, end } = code.value;
  const kind = kindAt(text, start);
  if (kind === 'null') return { kind: 'none', missing: 'code' };
  if (kind !== 'string') return { code: 'init_bad_field', detail: '"code" must be a string or null' };
  if (!binary) return { kind: 'text', text: decodeInPlace(text, code.value) };
  if (end - start === 2) return { code: 'init_bad_field', detail: '"code" is empty though "binary" is true' };
  const decoded = decodeBase64InPlace(text, start + 1, end - 1);
  if ('problem' in decoded) return { code: 'init_bad_base64', detail: decoded.problem };
  return { kind: 'archive', zip: decoded.bytes };
}
