import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerLineSplitter } from '../../src/protocol/actionloop/answer-line-splitter.js';
import { encodeRequestLine } from '../../src/protocol/actionloop/request-line.js';

describe('the line of an activation', () => {
  const pretty = fc
    .tuple(fc.json({ maxDepth: 3 }), fc.constantFrom(0, 1, 2, '\t'))
    .map(([text, indent]) => JSON.stringify(JSON.parse(text), null, indent));

  it('C-AL-13: is the very body without line feeds, and one at the end', () => {
    fc.assert(
      fc.property(pretty, fc.constantFrom('', '\n', ' \r\n\t'), (text, around) => {
        const body = Buffer.from(`${around}${text}${around}`);
        const line = encodeRequestLine(body);
        expect(line.toString()).toBe(`${body.toString().replaceAll('\n', '')}\n`);
      }),
    );
  });

  it('C-AL-20: exists exactly where the language itself can parse the body', () => {
    const almost = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.tuple(fc.json({ maxDepth: 2 }), fc.string({ maxLength: 2 })).map(([text, more]) => text + more),
      fc.string({
        unit: fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '1', '-', 'e', '.', ' ', 'null'),
        maxLength: 10,
      }),
    );
    fc.assert(
      fc.property(almost, (text) => {
        let valid = true;
        try {
          JSON.parse(text);
        } catch {
          valid = false;
        }
        expect('code' in encodeRequestLine(Buffer.from(text))).toBe(!valid);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('the lines of a process', () => {
  it('C-AL-14: come out whole and in order, however the bytes are cut', () => {
    const bytes = fc.array(fc.constantFrom(0x0a, 0x61, 0x7b, 0xff), { maxLength: 60 });
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(60), { maxLength: 10 }), (all, cuts) => {
        const stream = Buffer.from(all);
        const seen: Buffer[] = [];
        const lines = new AnswerLineSplitter(
          1000,
          (line) => seen.push(line),
          () => expect.unreachable(),
        );
        let from = 0;
        for (const cut of [...cuts.sort((a, b) => a - b), stream.length]) {
          const to = Math.min(Math.max(cut, from), stream.length);
          // One buffer for all chunks, as the reader has it.
          const chunk = Buffer.from(stream.subarray(from, to));
          lines.push(chunk);
          chunk.fill(0);
          from = to;
        }
        const parts = stream.toString('latin1').split('\n');
        expect(seen.map((line) => line.toString('latin1'))).toEqual(
          parts.slice(0, -1).map((part) => `${part}\n`),
        );
        expect(lines.unfinished.length).toBe((parts.at(-1) as string).length);
      }),
    );
  });

  it('a line may be as long as the limit, and not a byte longer', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 20 }), (length, step) => {
        let tooLong = 0;
        let seen = 0;
        const lines = new AnswerLineSplitter(
          20,
          () => seen++,
          () => tooLong++,
        );
        const stream = Buffer.from(`${'x'.repeat(length)}\n`);
        for (let at = 0; at < stream.length && tooLong === 0; at += step)
          lines.push(stream.subarray(at, at + step));
        expect([seen, tooLong]).toEqual(length <= 20 ? [1, 0] : [0, 1]);
      }),
    );
  });
});
