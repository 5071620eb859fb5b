import { isUtf8 } from 'node:buffer';
import { type JsonKind, JsonTextError, kindAt, skipBlanks, skipValue } from './json-text.js';
import { type MemberSelection, type Members, readMembers } from './members.js';

/** A request body read as JSON text: its kind, and those of its members that are wanted when it is an object. */
export type Body =
  | { readonly kind: 'empty' }
  | { readonly kind: 'object'; readonly text: Buffer; readonly members: Members }
  | {
      readonly kind: Exclude<JsonKind, 'object'>;
      readonly text: Buffer;
      readonly start: number;
      readonly end: number;
    }
  | { readonly kind: 'malformed'; readonly reason: string };

/**
 * Reads a body of /init or /run (C-INIT-26, C-RUN-03): strict JSON in UTF-8, a byte order mark allowed
 * (C-RUN-03), nothing after the one value. A body of no bytes is `empty`.
 */
export function readBody(bytes: Uint8Array, wanted: MemberSelection): Body {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (text.length === 0) return { kind: 'empty' };
  if (!isUtf8(text)) return { kind: 'malformed', reason: 'it is not valid UTF-8' };
  const marked = text.length >= 3 && text[0] === 0xef && text[1] === 0xbb && text[2] === 0xbf;
  try {
    const start = skipBlanks(text, marked ? 3 : 0, text.length);
    const kind = kindAt(text, start);
    if (kind === 'object') {
      const { members, end } = readMembers(text, start, text.length, 0, wanted);
      refuseTrailing(text, end);
      return { kind, text, members };
    }
    const end = skipValue(text, start, text.length);
    refuseTrailing(text, end);
    return { kind, text, start, end };
  } catch (error) {
    if (error instanceof JsonTextError) return { kind: 'malformed', reason: error.message };
    throw error;
  }
}

function refuseTrailing(text: Buffer, at: number): void {
  const rest = skipBlanks(text, at, text.length);
  if (rest < text.length) throw new JsonTextError('text after the JSON value', rest);
}
