/**
 * A strict reader of JSON text (RFC 8259) that never builds values: it checks bytes and reports where
 * things stand, so that what a caller sent can be handed on as the same text.
 *
 * The bytes must be valid UTF-8 already; the reader looks at ASCII only.
 */

/** Deeper documents are refused, as bodies (C-RUN-03) and as results (C-RUN-22). */
export const MAX_JSON_DEPTH = 10_000;

/** Where a value stands in a buffer: from `start` up to, not including, `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Why a text is not JSON, and at which byte. */
export class JsonTextError extends Error {
  override readonly name = 'JsonTextError';
  constructor(
    reason: string,
    readonly offsetBytes: number,
  ) {
    super(`${reason} at byte ${offsetBytes}`);
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;
const COMMA = 0x2c;
const COLON = 0x3a;
const MINUS = 0x2d;

const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');

// Container kinds on the way down, shared by all calls: a reading never yields, so it never overlaps.
const containers = new Uint8Array(MAX_JSON_DEPTH + 1);

/** The position of the first byte at or after `at` that is not JSON white space. */
export function skipBlanks(text: Uint8Array, at: number, end: number): number {
  let position = at;
  while (position < end) {
    const byte = text[position];
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    position++;
  }
  return position;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

function isHex(byte: number | undefined): boolean {
  return isDigit(byte) || (byte !== undefined && (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

/** Reads a string whose opening quote is at `at`; answers the position after its closing quote. */
function skipString(text: Uint8Array, at: number, end: number): number {
  let position = at + 1;
  while (position < end) {
    const byte = text[position] as number;
    if (byte === QUOTE) return position + 1;
    if (byte === BACKSLASH) {
      position = skipEscape(text, position, end);
    } else if (byte < 0x20) {
      throw new JsonTextError('control character in a string', position);
    } else {
      position++;
    }
  }
  throw new JsonTextError('unterminated string', at);
}

function skipEscape(text: Uint8Array, at: number, end: number): number {
  const escaped = at + 1 < end ? text[at + 1] : undefined;
  switch (escaped) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f: // slash
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 2;
    case 0x75: // u
      for (let digit = at + 2; digit < at + 6; digit++) {
        if (digit >= end || !isHex(text[digit])) throw new JsonTextError('bad \\u escape', at);
      }
      return at + 6;
    default:
      throw new JsonTextError('bad escape', at);
  }
}

function skipDigits(text: Uint8Array, at: number, end: number): number {
  let position = at;
  while (position < end && isDigit(text[position])) position++;
  if (position === at) throw new JsonTextError('a digit is missing in a number', at);
  return position;
}

function skipNumber(text: Uint8Array, at: number, end: number): number {
  let position = text[at] === MINUS ? at + 1 : at;
  if (position < end && text[position] === 0x30) position++;
  else position = skipDigits(text, position, end);
  if (position < end && text[position] === 0x2e) position = skipDigits(text, position + 1, end);
  if (position < end && ((text[position] as number) | 0x20) === 0x65) {
    position++;
    if (position < end && (text[position] === 0x2b || text[position] === MINUS)) position++;
    position = skipDigits(text, position, end);
  }
  return position;
}

function skipWord(text: Uint8Array, at: number, end: number, word: Uint8Array): number {
  if (at + word.length > end) throw new JsonTextError('unexpected text', at);
  for (let index = 0; index < word.length; index++) {
    if (text[at + index] !== word[index]) throw new JsonTextError('unexpected text', at);
  }
  return at + word.length;
}

function skipScalar(text: Uint8Array, at: number, end: number): number {
  const byte = text[at];
  switch (byte) {
    case QUOTE:
      return skipString(text, at, end);
    case 0x74:
      return skipWord(text, at, end, TRUE);
    case 0x66:
      return skipWord(text, at, end, FALSE);
    case 0x6e:
      return skipWord(text, at, end, NULL);
    default:
      if (byte === MINUS || isDigit(byte)) return skipNumber(text, at, end);
      throw new JsonTextError('unexpected text', at);
  }
}

/** Reads `"name" :` at `at` and answers the position where the member's value begins. */
function skipName(text: Uint8Array, at: number, end: number): number {
  if (at >= end || text[at] !== QUOTE) throw new JsonTextError('a member name is missing', at);
  return skipColon(text, skipString(text, at, end), end);
}

function skipColon(text: Uint8Array, at: number, end: number): number {
  const colon = skipBlanks(text, at, end);
  if (colon >= end || text[colon] !== COLON) throw new JsonTextError('a colon is missing', colon);
  return skipBlanks(text, colon + 1, end);
}

/**
 * Checks the one value that begins at `at`, however deep, without recursion.
 *
 * @param depth how many containers are open around it
 * @returns the position after the value
 * @throws JsonTextError when it is not JSON, or nested deeper than {@link MAX_JSON_DEPTH}
 */
export function skipValue(text: Uint8Array, at: number, end: number, depth = 0): number {
  let open = depth;
  let position = at;
  for (;;) {
    if (position >= end) throw new JsonTextError('unexpected end', position);
    const byte = text[position];
    let valueEnded = true;
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      if (open >= MAX_JSON_DEPTH) throw new JsonTextError('nested too deeply', position);
      const close = byte === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET;
      position = skipBlanks(text, position + 1, end);
      if (position < end && text[position] === close) {
        position++;
      } else {
        containers[open++] = close;
        if (close === CLOSE_BRACE) position = skipName(text, position, end);
        valueEnded = false;
      }
    } else {
      position = skipScalar(text, position, end);
    }
    while (valueEnded) {
      if (open === depth) return position;
      position = skipBlanks(text, position, end);
      if (position >= end) throw new JsonTextError('unexpected end', position);
      const close = containers[open - 1];
      if (text[position] === close) {
        open--;
        position++;
      } else if (text[position] === COMMA) {
        position = skipBlanks(text, position + 1, end);
        if (close === CLOSE_BRACE) position = skipName(text, position, end);
        valueEnded = false;
      } else {
        throw new JsonTextError('a comma or a closing bracket is missing', position);
      }
    }
  }
}

/** Takes one member: where its name stands, quotes included, and where its value stands. */
type VisitMember = (nameAt: number, nameEnd: number, valueAt: number, valueEnd: number) => void;

/**
 * Walks over the members of the object at `at`, in order, duplicates included; everything in it is checked.
 *
 * Nothing is kept of them here, however many there are.
 *
 * @param depth how many containers are open around the object
 * @returns the position after the object
 * @throws JsonTextError as {@link skipValue}
 */
export function visitMembers(
  text: Uint8Array,
  at: number,
  end: number,
  depth: number,
  visit: VisitMember,
): number {
  let position = skipBlanks(text, at + 1, end);
  if (position < end && text[position] === CLOSE_BRACE) return position + 1;
  for (;;) {
    const nameAt = position;
    if (nameAt >= end || text[nameAt] !== QUOTE) throw new JsonTextError('a member name is missing', nameAt);
    const nameEnd = skipString(text, nameAt, end);
    const valueAt = skipColon(text, nameEnd, end);
    const valueEnd = skipValue(text, valueAt, end, depth + 1);
    visit(nameAt, nameEnd, valueAt, valueEnd);
    position = skipBlanks(text, valueEnd, end);
    if (position < end && text[position] === CLOSE_BRACE) return position + 1;
    if (position >= end || text[position] !== COMMA) {
      throw new JsonTextError('a comma or a closing bracket is missing', position);
    }
    position = skipBlanks(text, position + 1, end);
  }
}

/** What kind of value begins with the byte at `at` of a checked text. */
export type JsonKind = 'object' | 'array' | 'string' | 'number' | 'boolean' | 'null';

export function kindAt(text: Uint8Array, at: number): JsonKind {
  switch (text[at]) {
    case OPEN_BRACE:
      return 'object';
    case OPEN_BRACKET:
      return 'array';
    case QUOTE:
      return 'string';
    case 0x74:
    case 0x66:
      return 'boolean';
    case 0x6e:
      return 'null';
    default:
      return 'number';
  }
}

/** The value's text without the line breaks between its tokens (inside strings JSON allows none). */
export function withoutLineBreaks(text: Buffer, span: Span): Buffer {
  const slice = text.subarray(span.start, span.end);
  if (slice.indexOf(0x0a) === -1 && slice.indexOf(0x0d) === -1) return slice;
  const result = Buffer.allocUnsafe(slice.length);
  let length = 0;
  for (const byte of slice) if (byte !== 0x0a && byte !== 0x0d) result[length++] = byte;
  return result.subarray(0, length);
}
