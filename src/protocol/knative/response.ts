import type { Header, RunAnswer } from '../answer.js';
import { decodeBase64InPlace } from '../base64.js';
import type { Failure } from '../errors.js';
import { decodeInPlace, decodeString } from '../json-string.js';
import { kindAt } from '../json-text.js';
import {
  MAX_CONTEXT_MEMBERS,
  type Member,
  type MemberSelection,
  Members,
  readMembers,
  withoutMembers,
} from '../members.js';

/** How the action wants its answer (C-KN-17). */
interface AnswerShape {
  readonly status: number;
  readonly headers: readonly Header[];
}

/** An answer as the action shaped it. */
export interface ShapedAnswer extends AnswerShape {
  readonly body: Uint8Array;
}

/** A request that brings an init: nothing has been done yet. */
export interface EmbeddedInit {
  readonly raw: boolean;
  readonly name: string;
  /** The request without its init, where anything is left. */
  readonly rest?: Uint8Array;
  /** The request whole, which has been moved there and back. */
  readonly body: Uint8Array;
}

/** The answer to a request in Knative mode; its result is the body that the action gave it. */
export interface KnativeAnswer extends RunAnswer {
  readonly shape?: AnswerShape;
  /** There was no activation yet. */
  readonly embeddedInit?: EmbeddedInit;
}

const JSON_TYPE = 'application/json';
const TEXT_TYPE = 'text/html';
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
/** What would end the header or hide in it (RFC 9110, section 5.5). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
const CONTROL = /[\u0000-\u0008\u000a-\u001f\u007f]/;
/** The framing of an answer is the server's. */
const FRAMING = new Set([
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'upgrade',
  'trailer',
]);
/** The parts of a result that shape the answer. */
const SHAPING_MEMBERS = ['statusCode', 'headers', 'body'] as const;
const SHAPING_SELECTION: MemberSelection = { named: SHAPING_MEMBERS };
const HEADERS: MemberSelection = { named: [], others: MAX_CONTEXT_MEMBERS };

/**
 * The answer that a result makes in Knative mode (C-KN-17 to C-KN-21): `statusCode`, `headers` and `body` of
 * an object shape it, anything else is answered as it is.
 *
 * @param result a checked JSON object or array; the answer's body overlays it
 * @param requestedHeaders the request's Access-Control-Request-Headers
 */
export function shapeResult(result: Buffer, requestedHeaders: string | undefined): ShapedAnswer | Failure {
  const members =
    kindAt(result, 0) === 'object'
      ? readMembers(result, 0, result.length, 0, SHAPING_SELECTION).members
      : new Members(result, SHAPING_SELECTION);
  const status = readStatus(result, members.get('statusCode'));
  if (typeof status === 'object') return status;
  const headers = readHeaders(result, members.get('headers'));
  if ('code' in headers) return headers;
  const type = headerIn(headers, 'content-type');
  const body = readAnswerBody(result, members, type);
  if ('code' in body) return body;
  if (type === undefined) headers.push(['Content-Type', body.type]);
  if (body.isBinary) headers.push(['Content-Transfer-Encoding', 'binary']);
  headers.push(...corsHeaders(headers, requestedHeaders));
  return {
    status: status === 200 && body.bytes.length === 0 ? 204 : (status ?? 200),
    headers,
    body: body.bytes,
  };
}

/** The headers that let pages of other origins read the answer, but those that are there (C-KN-20). */
export function corsHeaders(headers: readonly Header[], requestedHeaders: string | undefined): Header[] {
  const added: Header[] = [];
  const add = (name: string, value: string): boolean => {
    if (headerIn(headers, name.toLowerCase()) !== undefined) return false;
    added.push([name, value]);
    return true;
  };
  add('Access-Control-Allow-Origin', '*');
  add('Access-Control-Allow-Methods', 'OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH');
  const allowsHeaders = add(
    'Access-Control-Allow-Headers',
    'Authorization, Origin, X - Requested - With, Content - Type, Accept, User - Agent',
  );
  if (allowsHeaders && requestedHeaders !== undefined)
    add('Access-Control-Request-Headers', requestedHeaders);
  return added;
}

function headerIn(headers: readonly Header[], lowerName: string): string | undefined {
  return headers.find(([name]) => name.toLowerCase() === lowerName)?.[1];
}

function isAbsent(text: Buffer, member: Member | undefined): member is undefined {
  return member === undefined || kindAt(text, member.value.start) === 'null';
}

function readStatus(text: Buffer, member: Member | undefined): number | undefined | Failure {
  if (isAbsent(text, member)) return undefined;
  const kind = kindAt(text, member.value.start);
  const shown = kind === 'string' ? decodeString(text, member.value) : textOf(text, member);
  const status = /^\d{3}(\.0+)?$/.test(shown) ? Number(shown) : 0;
  if (status >= 200 && status <= 599) return status;
  return { code: 'knative_bad_response', detail: '"statusCode" must be a number from 200 to 599' };
}

function readHeaders(text: Buffer, member: Member | undefined): Header[] | Failure {
  if (isAbsent(text, member)) return [];
  if (kindAt(text, member.value.start) !== 'object') return wrong('"headers" must be an object');
  const headers = new Map<string, Header[]>();
  const { start, end } = member.value;
  const given = readMembers(text, start, end, 1, HEADERS).members.others();
  if ('problem' in given) return wrong(`"headers" ${given.problem}`);
  for (const { name, value } of given) {
    if (!TOKEN.test(name)) return wrong(`the header name ${JSON.stringify(name)} is none`);
    const lower = name.toLowerCase();
    if (FRAMING.has(lower)) continue;
    const shown = lower === 'content-type' ? 'Content-Type' : name;
    const values = headerValues(text, value);
    if (values.some((one) => CONTROL.test(one))) {
      return wrong(`the header ${JSON.stringify(name)} has a control character in its value`);
    }
    headers.set(
      lower,
      values.map((one) => [shown, one] as const),
    );
  }
  return [...headers.values()].flat();
}

/** A list repeats the header; what is no string becomes its JSON text. */
function headerValues(text: Buffer, span: Member['value']): string[] {
  switch (kindAt(text, span.start)) {
    case 'string':
      return [decodeString(text, span)];
    case 'array': {
      const list = JSON.parse(text.toString('utf8', span.start, span.end)) as unknown[];
      return list.map((one) => (typeof one === 'string' ? one : JSON.stringify(one)));
    }
    default:
      return [text.toString('utf8', span.start, span.end)];
  }
}

interface AnswerBody {
  readonly bytes: Uint8Array;
  /** What it is, unless the action says so. */
  readonly type: string;
  readonly isBinary?: true;
}

function readAnswerBody(result: Buffer, members: Members, type: string | undefined): AnswerBody | Failure {
  const body = members.get('body');
  if (type?.includes('image')) return readImage(result, body);
  if (body === undefined) return { bytes: withoutShape(result), type: JSON_TYPE };
  if (kindAt(result, body.value.start) === 'string') {
    return { bytes: decodeInPlace(result, body.value), type: TEXT_TYPE };
  }
  return { bytes: result.subarray(body.value.start, body.value.end), type: JSON_TYPE };
}

/** Bytes of their own: as the base64 that an image comes in (C-KN-18). */
function readImage(result: Buffer, body: Member | undefined): AnswerBody | Failure {
  if (body === undefined || kindAt(result, body.value.start) !== 'string') {
    return wrong('the "body" of an image must be a string in base64');
  }
  const decoded = decodeBase64InPlace(result, body.value.start + 1, body.value.end - 1);
  if ('problem' in decoded) return wrong(`the "body" of an image is not base64: ${decoded.problem}`);
  return { bytes: decoded.bytes, type: 'image', isBinary: true };
}

/** The result without what shaped the answer; its own bytes if nothing did. */
function withoutShape(result: Buffer): Uint8Array {
  if (kindAt(result, 0) !== 'object') return result;
  return withoutMembers(result, { start: 0, end: result.length }, 0, SHAPING_MEMBERS);
}

function textOf(text: Buffer, { value }: Member): string {
  return text.toString('utf8', value.start, value.end);
}

function wrong(detail: string): Failure {
  return { code: 'knative_bad_response', detail };
}
