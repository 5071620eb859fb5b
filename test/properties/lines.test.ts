import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LastLineSplitter } from '../../src/protocol/last-line-splitter.js';
import { LineSplitter } from '../../src/protocol/line-splitter.js';
import { parseResult, withoutFinalLineBreak } from '../../src/protocol/result.js';

const output = fc.string({ unit: fc.constantFrom('a', 'b', '\r', '\n', '\n'), maxLength: 60 });
const cuts = fc.array(fc.nat(60), { maxLength: 8 });

function pieces(text: string, places: readonly number[]): Buffer[] {
  const sorted = [0, ...places.map((place) => Math.min(place, text.length)), text.length].sort(
    (a, b) => a - b,
  );
  return sorted.slice(1).map((end, index) => Buffer.from(text.slice(sorted[index], end)));
}

/** The simple way: all of the output at once. */
function parted(text: string): { log: string; last: string } {
  const ended = text.endsWith('\n') ? text.slice(0, -1) : text;
  const at = ended.lastIndexOf('\n') + 1;
  return { log: text.slice(0, at), last: ended.slice(at) };
}

describe('the last line', () => {
  it('C-RUN-16, C-RUN-17: is the same however the output is cut into chunks', () => {
    fc.assert(
      fc.property(output, cuts, (text, places) => {
        const log: string[] = [];
        const lines = new LastLineSplitter(1000, (bytes) => log.push(bytes.toString()));
        for (const piece of pieces(text, places)) lines.push(piece);
        const expected = parted(text);
        expect(log.join('')).toBe(expected.log);
        expect(withoutFinalLineBreak(lines.heldLine()).toString()).toBe(expected.last);
        expect(lines.lineBytes).toBe(expected.last.length);
        // Whole lines only: each piece that is handed on ends in a break.
        expect(log.every((bytes) => bytes.endsWith('\n'))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  it('tells whether the line before it looks like a result, however the output is cut into chunks', () => {
    const words = fc.string({ unit: fc.constantFrom('{', '}', '[', ']', '\n', '\n'), maxLength: 30 });
    fc.assert(
      fc.property(words, cuts, (text, places) => {
        const lines = new LastLineSplitter(1000, () => {});
        for (const piece of pieces(text, places)) lines.push(piece);
        const before = parted(text).log.split('\n').at(-2) ?? '';
        expect(lines.followsResult).toBe(/^(\{.*\}|\[.*\])$/.test(before));
      }),
      { numRuns: 2000 },
    );
  });

  it('C-LOG-04: a line over the limit goes to the log whole, and is no result when it is the last', () => {
    fc.assert(
      fc.property(output, cuts, fc.integer({ min: 1, max: 10 }), (text, places, limit) => {
        const log: string[] = [];
        const lines = new LastLineSplitter(limit, (bytes) => log.push(bytes.toString()));
        for (const piece of pieces(text, places)) lines.push(piece);
        const expected = parted(text);
        expect(lines.overflowing).toBe(expected.last.length > limit);
        expect(log.join('')).toBe(lines.overflowing ? text : expected.log);
      }),
      { numRuns: 2000 },
    );
  });

  it('gives large holdings back', () => {
    const lines = new LastLineSplitter(1 << 24, () => {});
    lines.push(Buffer.alloc(5_000_000, 'x'));
    lines.push(Buffer.alloc(5_000_000, 'y'));
    expect(lines.heldLine().length).toBe(10_000_000);
    expect(
      [lines.heldLine()[4_999_999], lines.heldLine()[5_000_000]].map((byte) =>
        String.fromCharCode(byte ?? 0),
      ),
    ).toEqual(['x', 'y']);
    lines.push(Buffer.from('\n{}'));
    expect(lines.heldLine().toString()).toBe('{}');
  });
});

describe('whole lines', () => {
  it('C-LOG-05: come out in one piece each, whatever the chunks', () => {
    fc.assert(
      fc.property(output, cuts, (text, places) => {
        const log: string[] = [];
        const lines = new LineSplitter(1000, (bytes) => log.push(bytes.toString()));
        for (const piece of pieces(text, places)) lines.push(piece);
        expect(log.every((bytes) => bytes.endsWith('\n'))).toBe(true);
        lines.end();
        expect(log.join('')).toBe(text);
      }),
    );
  });

  it('hand a line over the limit on in pieces and lose nothing', () => {
    fc.assert(
      fc.property(output, cuts, fc.integer({ min: 1, max: 5 }), (text, places, limit) => {
        let log = '';
        const lines = new LineSplitter(limit, (bytes) => {
          log += bytes.toString();
        });
        for (const piece of pieces(text, places)) lines.push(piece);
        lines.end();
        expect(log).toBe(text);
      }),
    );
  });
});

describe('the result in a line', () => {
  it('C-RUN-22: is the line’s own bytes for every object and array, blanks around it removed', () => {
    const json = fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue()));
    fc.assert(
      fc.property(json, fc.stringMatching(/^[ \t\r\v\f]*$/), (value, blank) => {
        const text = JSON.stringify(value);
        expect(parseResult(Buffer.from(`${blank}${text}${blank}`))?.toString()).toBe(text);
      }),
    );
  });

  it.each([
    '5',
    '"s"',
    'null',
    'true',
    '',
    ' ',
    '{',
    '{}x',
    '{"a":NaN}',
    '[Infinity]',
    '\ufeff{}',
    '{"a":"\u0001"}',
    "{'a':1}",
  ])('C-RUN-18, C-RUN-22: %j has none', (line) => expect(parseResult(Buffer.from(line))).toBeUndefined());

  it('C-RUN-23: a line that is not UTF-8 has none', () => {
    expect(parseResult(Buffer.from('7b2261223a22ff227d', 'hex'))).toBeUndefined();
  });
});
