import type { Span } from './json-text.js';

const BACKSLASH = 0x5c;

/** Decodes the string token at `span`, quotes included. */
export function decodeString(text: Buffer, span: Span): string {
  const inner = text.subarray(span.start + 1, span.end - 1);
  if (inner.indexOf(BACKSLASH) === -1) return inner.toString('utf8');
  return JSON.parse(text.toString('utf8', span.start, span.end)) as string;
}

/** What a letter behind a backslash stands for (RFC 8259, section 7). */
const ESCAPED: ReadonlyMap<number, number> = new Map(
  [...'"\\/bfnrt'].map((letter, at) => [letter.charCodeAt(0), '"\\/\b\f\n\r\t'.charCodeAt(at)]),
);
const UNICODE_ESCAPE = 0x75;
const REPLACEMENT = 0xfffd;

/**
 * Decodes the string token at `span` into UTF-8 that overlays its front: a text of 64 MB takes no second copy.
 * Half a surrogate pair becomes U+FFFD. The token's text is gone afterwards.
 */
export function decodeInPlace(text: Buffer, span: Span): Buffer {
  const [start, end] = [span.start + 1, span.end - 1];
  let from = text.subarray(start, end).indexOf(BACKSLASH);
  if (from === -1) return text.subarray(start, end);
  from += start;
  let to = from;
  while (from < end) {
    const byte = text[from] as number;
    if (byte !== BACKSLASH) {
      text[to++] = byte;
      from++;
    } else if (text[from + 1] !== UNICODE_ESCAPE) {
      text[to++] = ESCAPED.get(text[from + 1] as number) as number;
      from += 2;
    } else {
      let point = codeUnitAt(text, from);
      from += 6;
      if (point >= 0xd800 && point < 0xe000) {
        const isPair = point < 0xdc00 && text[from] === BACKSLASH && text[from + 1] === UNICODE_ESCAPE;
        const low = isPair ? codeUnitAt(text, from) : 0;
        if (low >= 0xdc00 && low < 0xe000) {
          point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
          from += 6;
        } else point = REPLACEMENT;
      }
      to += text.write(String.fromCodePoint(point), to, 'utf8');
    }
  }
  return text.subarray(start, to);
}

function codeUnitAt(text: Buffer, escapeAt: number): number {
  return Number.parseInt(text.toString('latin1', escapeAt + 2, escapeAt + 6), 16);
}
