/**
 * Base64 out of a JSON string token (C-INIT-14, C-INIT-15): the standard alphabet, white space and line
 * breaks anywhere, anything else refused, the length right.
 */

const SKIP = 64;
const PAD = 65;
const ESCAPE = 66;
const REFUSE = 67;

const TABLE = new Uint8Array(256).fill(REFUSE);
for (const [index, letter] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  TABLE[letter.charCodeAt(0)] = index;
}
for (const blank of ' \t\n\r\f\v') TABLE[blank.charCodeAt(0)] = SKIP;
TABLE['='.charCodeAt(0)] = PAD;
TABLE['\\'.charCodeAt(0)] = ESCAPE;

const ESCAPED: Readonly<Record<string, number>> = { n: SKIP, r: SKIP, t: SKIP, f: SKIP, '/': 63 };

/** The outcome: the decoded bytes, or why there are none. */
type Decoded = { readonly bytes: Buffer } | { readonly problem: string };

/**
 * Decodes in place: the result overlays the front of the token, so a 64 MB upload takes no second copy.
 * The token's text is gone afterwards.
 *
 * @param text the buffer that holds the checked JSON string
 * @param start the first byte after the opening quote
 * @param end the position of the closing quote
 */
export function decodeBase64InPlace(text: Buffer, start: number, end: number): Decoded {
  let out = start;
  let bits = 0;
  let count = 0;
  let pads = 0;
  let at = start;
  while (at < end) {
    const byte = text[at] as number;
    let value = TABLE[byte] as number;
    let width = 1;
    if (value >= ESCAPE) {
      if (value === REFUSE) return { problem: `it holds a character outside the base64 alphabet` };
      const letter = String.fromCharCode(text[at + 1] as number);
      width = letter === 'u' ? 6 : 2;
      const code = letter === 'u' ? Number.parseInt(text.toString('latin1', at + 2, at + 6), 16) : -1;
      value = code >= 0 ? (code < 128 ? (TABLE[code] as number) : REFUSE) : (ESCAPED[letter] ?? REFUSE);
      if (value >= ESCAPE) return { problem: `it holds a character outside the base64 alphabet` };
    }
    at += width;
    if (value === SKIP) continue;
    if (value === PAD) {
      pads++;
      continue;
    }
    if (pads > 0) return { problem: 'it goes on after its padding' };
    bits = (bits << 6) | value;
    if (++count === 4) {
      text[out] = bits >>> 16;
      text[out + 1] = bits >>> 8;
      text[out + 2] = bits;
      out += 3;
      bits = 0;
      count = 0;
    }
  }
  if (pads > 2 || (count + pads) % 4 !== 0 || count === 1) return { problem: 'its length is wrong' };
  // Bits beyond the last whole byte would be lost without notice.
  if (count === 2) {
    if ((bits & 0xf) !== 0) return { problem: 'its last character holds bits that mean nothing' };
    text[out++] = bits >>> 4;
  } else if (count === 3) {
    if ((bits & 0x3) !== 0) return { problem: 'its last character holds bits that mean nothing' };
    text[out++] = bits >>> 10;
    text[out++] = bits >>> 2;
  }
  return { bytes: text.subarray(start, out) };
}
