import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64InPlace } from '../../src/protocol/base64.js';

function decode(token: string): Buffer | undefined {
  const text = Buffer.from(token);
  const decoded = decodeBase64InPlace(text, 0, text.length);
  return 'bytes' in decoded ? Buffer.from(decoded.bytes) : undefined;
}

/** An encoder of our own kind of mess: white space of every sort and JSON's escapes, anywhere. */
const mess = fc.constantFrom('', '', '', ' ', '\\n', '\\r\\n', '\\t', '\\u000a', '\\f');

describe('base64', () => {
  it('C-INIT-14: gives back what was encoded, with white space and line breaks anywhere', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.infiniteStream(mess), (bytes, between) => {
        const encoded = [...Buffer.from(bytes).toString('base64')];
        const token = encoded
          .map((letter) => `${letter === '/' ? '\\/' : letter}${between.next().value}`)
          .join('');
        expect(decode(token)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it('C-INIT-15: refuses whatever a strict decoder refuses', () => {
    const alphabet = fc.string({ unit: fc.constantFrom(...'ABab01+/=-_%é'), maxLength: 12 });
    fc.assert(
      fc.property(alphabet, (token) => {
        const strict = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(token);
        // The bits that padding leaves over must be zero, or two texts would mean the same bytes.
        const canonical = strict && Buffer.from(token, 'base64').toString('base64') === token;
        expect(decode(token) !== undefined).toBe(canonical);
      }),
      { numRuns: 3000 },
    );
  });

  it.each(['QUJD=', 'Q', 'QQ', 'QQ=', 'QQ===', '=', 'QQ==QQ==', 'QUJD-_', '\\u00e9AAA', '\\"AAA'])(
    'C-INIT-15: refuses %s',
    (token) => expect(decode(token)).toBeUndefined(),
  );

  it('takes a text of nothing but white space for no bytes', () => {
    expect(decode(' \\n\\t')).toEqual(Buffer.alloc(0));
  });
});
