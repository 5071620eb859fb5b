import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type ParsedSample, parseText } from '../../src/top/text-format.js';

const name = fc.stringMatching(/^[a-zA-Z_:][a-zA-Z0-9_:]{0,20}$/);
const label = fc.stringMatching(/^[a-zA-Z_][a-zA-Z0-9_]{0,12}$/);
const value = fc.oneof(
  fc.double(),
  fc.integer(),
  fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY),
);
const sample: fc.Arbitrary<ParsedSample> = fc.record({
  name,
  labels: fc.dictionary(label, fc.string({ unit: 'binary' }), { maxKeys: 4, noNullPrototype: true }),
  value,
});

function written({ name, labels, value }: ParsedSample): string {
  const pairs = Object.entries(labels).map(
    ([key, text]) =>
      `${key}="${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
  );
  const number = Number.isFinite(value) || Number.isNaN(value) ? String(value) : value > 0 ? '+Inf' : '-Inf';
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${number}`;
}

describe('parseText', () => {
  it('reads what was written', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 20 }), (samples) => {
        const read = parseText(`# HELP x y\n# TYPE x counter\n\n${samples.map(written).join('\n')}\n`);
        expect(read.map(({ name, value }) => [name, value])).toEqual(
          samples.map(({ name, value }) => [name, Object.is(value, -0) ? 0 : value]),
        );
        expect(read.map(({ labels }) => Object.entries(labels))).toEqual(
          samples.map(({ labels }) => Object.entries(labels)),
        );
      }),
    );
  });

  it('reads anything or refuses it by its line, and never fails otherwise', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
        try {
          parseText(text);
        } catch (error) {
          expect((error as Error).message).toMatch(/^line \d+ is not in Prometheus' text format: /);
        }
      }),
    );
  });

  it('refuses a page of which any one character was lost from a line with labels', () => {
    const line = 'some_total{code="a b",fault="x"} 12.5';
    // Without one of these the line still says something, if something else.
    const harmless = /[a-z0-9_ ]/;
    for (let at = 0; at < line.length; at++) {
      if (harmless.test(line[at] as string)) continue;
      const broken = line.slice(0, at) + line.slice(at + 1);
      if (line[at] === '.') continue;
      expect(() => parseText(broken), broken).toThrow('line 1');
    }
  });

  it.each([
    '<html>',
    'name',
    'name{',
    'name{a="b" 1',
    'name{a="b"c="d"} 1',
    'name{a=b} 1',
    'name{a="b",a="c"} 1',
    'name{a="\\x"} 1',
    'name 0x10',
    'name 1_000',
    'name 1 2 3',
    'name 1 soon',
    'name{a="b"}1',
    '#HELP name',
    ' name 1',
    'name 1\r',
  ])('refuses %j', (line) => {
    expect(() => parseText(`ok 1\n${line}\n`)).toThrow('line 2 is not');
  });

  it.each([
    ['name{a="b",} 1', 1],
    ['name\t1e3', 1000],
    ['name +Inf 1700000000000', Number.POSITIVE_INFINITY],
    ['name -.5', -0.5],
  ])('reads %j', (line, value) => {
    expect(parseText(line)[0]?.value).toBe(value);
  });
});
