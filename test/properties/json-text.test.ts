import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readBody } from '../../src/protocol/body.js';
import { decodeInPlace, decodeString } from '../../src/protocol/json-string.js';
import { MAX_JSON_DEPTH, skipValue } from '../../src/protocol/json-text.js';
import { MAX_CONTEXT_MEMBERS, readMembers, withoutMembers } from '../../src/protocol/members.js';
import { readRunBody } from '../../src/protocol/run-body.js';

/** JSON text as other programs write it: any white space, any escapes, numbers of every form. */
const blanks = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
const number = fc.stringMatching(/^-?(0|[1-9][0-9]{0,25})(\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?$/);
const text = fc
  .array(
    fc.oneof(
      fc.string({ unit: 'grapheme' }).map((plain) => JSON.stringify(plain).slice(1, -1)),
      fc.constantFrom(
        '\\"',
        '\\\\',
        '\\/',
        '\\b',
        '\\f',
        '\\n',
        '\\r',
        '\\t',
        '\\u0041',
        '\\uD83D\\uDE00',
        '\\ud800',
      ),
    ),
    { maxLength: 4 },
  )
  .map((parts) => `"${parts.join('')}"`);
const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.constantFrom('true', 'false', 'null', '{}', '[]', '{ }', '[\n]'),
    number,
    text,
    fc
      .tuple(blanks, fc.array(fc.tuple(blanks, tie('value'), blanks), { minLength: 1, maxLength: 3 }))
      .map(([, items]) => `[${items.map((item) => item.join('')).join(',')}]`),
    fc
      .array(fc.tuple(blanks, text, blanks, blanks, tie('value'), blanks), { minLength: 1, maxLength: 3 })
      .map((items) => `{${items.map(([a, k, b, c, v, d]) => `${a}${k}${b}:${c}${v}${d}`).join(',')}}`),
  ),
}));

function accepts(source: string): boolean {
  const bytes = Buffer.from(source);
  try {
    return skipValue(bytes, 0, bytes.length) === bytes.length;
  } catch {
    return false;
  }
}

function parses(source: string): boolean {
  try {
    JSON.parse(source);
    return true;
  } catch {
    return false;
  }
}

describe('the JSON reader', () => {
  it('takes every JSON text', () => {
    fc.assert(fc.property(value, (source) => accepts(source)));
  });

  it('takes and refuses what JSON.parse takes and refuses, for texts damaged in one place', () => {
    const damaged = fc.tuple(
      value,
      fc.nat(),
      fc.constantFrom('', ',', '"', '\\', '}', ']', '0', '-', 'e', '.', '\u0001', 'x'),
    );
    fc.assert(
      fc.property(damaged, ([source, at, insert]) => {
        const place = at % (source.length + 1);
        const broken = source.slice(0, place) + insert + source.slice(place + (at % 2));
        // The reader looks at one value; JSON.parse allows white space around it.
        expect(accepts(broken)).toBe(parses(broken) && broken === broken.trim());
      }),
      { numRuns: 2000 },
    );
  });

  it('finds the members that JSON.parse finds, and their text', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), value), (members) => {
        const source = Buffer.from(
          `{${Object.entries(members).map(([name, text]) => `${JSON.stringify(name)} : ${text}`)}}`,
        );
        const found = readMembers(source, 0, source.length, 0, { named: [], others: MAX_CONTEXT_MEMBERS });
        expect(found.end).toBe(source.length);
        const others = found.members.others();
        if ('problem' in others) throw new Error(others.problem);
        expect(
          others.map(({ name, value: { start, end } }) => [name, source.toString('utf8', start, end)]),
        ).toEqual(Object.entries(members));
        const ascii = Object.entries(members).filter(([name]) => /^[ -~]*$/.test(name));
        for (const [name, text] of ascii) {
          const asked = readMembers(source, 0, source.length, 0, { named: [name] }).members.get(name)?.value;
          expect(asked && source.toString('utf8', asked.start, asked.end)).toBe(text);
        }
      }),
    );
  });

  it('keeps the last of each name, and no more names than the limit', () => {
    const same = Buffer.from(`{${'"a":0,'.repeat(5000)}"\\u0061":1,"b":2}`);
    const wanted = { named: [], others: MAX_CONTEXT_MEMBERS } as const;
    const found = readMembers(same, 0, same.length, 0, wanted).members.others();
    expect(found).toMatchObject([{ name: 'a' }, { name: 'b' }]);
    const repeated = Buffer.from(`{${'"a":0,'.repeat(50_000)}"value":7}`);
    const few = readMembers(repeated, 0, repeated.length, 0, { ...wanted, named: ['value'] }).members;
    expect(few.others()).toEqual({ problem: `has more than ${MAX_CONTEXT_MEMBERS} members` });
    expect(few.get('value')?.value.end).toBe(repeated.length - 1);
    const names = Array.from({ length: MAX_CONTEXT_MEMBERS + 2 }, (_, n) => `"n${n}":0`);
    const many = Buffer.from(`{${names},"value":7}`);
    const { members } = readMembers(many, 0, many.length, 0, { ...wanted, named: ['value'] });
    expect(members.others()).toEqual({ problem: `has more than ${MAX_CONTEXT_MEMBERS} members` });
    expect(members.get('value')?.value.start).toBe(many.length - 2);
    const large = Buffer.from(`{"x":"${'y'.repeat(6 * 1024 * 1024)}"}`);
    expect(readMembers(large, 0, large.length, 0, wanted).members.others()).toHaveProperty('problem');
  });

  it('takes members out of an object, and leaves its text otherwise', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: 'grapheme' }), value), fc.nat(4), (members, keep) => {
        const entries = Object.entries(members);
        const gone = entries.filter((_, at) => at % 5 >= keep).map(([name]) => name);
        const source = Buffer.from(`{${entries.map(([name, text]) => `${JSON.stringify(name)}:${text}`)}}`);
        // Names that are looked for are ASCII.
        const ascii = gone.filter((name) => /^[ -~]*$/.test(name));
        const rest = withoutMembers(source, { start: 0, end: source.length }, 0, ascii);
        const expected = entries.filter(([name]) => !ascii.includes(name));
        expect(rest.toString()).toBe(
          `{${expected.map(([name, text]) => `${JSON.stringify(name)}:${text}`)}}`,
        );
      }),
    );
  });

  it('decodes strings as JSON.parse does', () => {
    fc.assert(
      fc.property(text, (source) => {
        const bytes = Buffer.from(source);
        expect(decodeString(bytes, { start: 0, end: bytes.length })).toBe(JSON.parse(source));
        const decoded = decodeInPlace(bytes, { start: 0, end: bytes.length });
        expect(decoded.equals(Buffer.from(JSON.parse(source) as string))).toBe(true);
      }),
    );
  });

  it.each(['[', '{"a":'])('C-RUN-03: takes %s nested as deep as the limit, and no deeper', (open) => {
    const close = open === '[' ? ']' : '}';
    const nested = (depth: number): string =>
      `${open.repeat(depth - 1)}${open[0]}${close}${close.repeat(depth - 1)}`;
    expect(accepts(nested(MAX_JSON_DEPTH))).toBe(true);
    expect(accepts(nested(MAX_JSON_DEPTH + 1))).toBe(false);
  });
});

describe('the body of /run', () => {
  it('C-RUN-05, C-RUN-06: hands on the very text of value, without its line breaks', () => {
    const argument = value.filter((source) => source.startsWith('{') || source.startsWith('['));
    fc.assert(
      fc.property(argument, blanks, fc.boolean(), (source, blank, first) => {
        const members = [`"value"${blank}:${blank}${source}${blank}`, '"other":1'];
        const request = readRunBody(
          Buffer.from(`${blank}{${(first ? members : members.reverse()).join(',')}}${blank}`),
        );
        expect('argument' in request && request.argument.toString()).toBe(source.replaceAll(/[\r\n]/g, ''));
      }),
    );
  });

  it('C-RUN-08: names every variable __OW_ and the key in capitals, the last of a name counts', () => {
    const key = fc
      .string({ unit: 'grapheme', minLength: 1 })
      .filter((name) => !/[=\0]/.test(name.toUpperCase()));
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            key,
            fc.string().filter((text) => !text.includes('\0')),
          ),
        ),
        (pairs) => {
          const context = pairs.filter(([name]) => name !== 'value' && name !== 'activation');
          const body = `{${context.map(([name, text]) => `${JSON.stringify(name)}:${JSON.stringify(text)}`).join(',')}}`;
          const request = readRunBody(Buffer.from(body));
          const expected = new Map(context.map(([name, text]) => [`__OW_${name.toUpperCase()}`, text]));
          expect('variables' in request && new Map(request.variables)).toEqual(expected);
        },
      ),
    );
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void readRunBody(bytes)));
    fc.assert(fc.property(fc.string(), (source) => void readBody(Buffer.from(source), { named: ['value'] })));
  });
});
