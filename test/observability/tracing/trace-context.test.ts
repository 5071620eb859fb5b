import { describe, expect, it } from 'vitest';
import { parseTraceContext } from '../../../src/protocol/trace-context.js';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function stateOf(tracestate: string): string | undefined {
  return parseTraceContext(TRACEPARENT, tracestate)?.tracestate;
}

describe('tracestate (W3C Trace Context, 3.3)', () => {
  it.each([
    ['one member', 'rojo=00f067aa0ba902b7', 'rojo=00f067aa0ba902b7'],
    ['the order of the members', 'b=2,a=1,c=3', 'b=2,a=1,c=3'],
    ['blanks within a value', 'a=1 2  3', 'a=1 2  3'],
    ['a system with many tenants', 'fw529a3039@dt=FfAAAAA', 'fw529a3039@dt=FfAAAAA'],
    ['all that a value may hold', 'a=!"#$%&\'()*+-./:;<>?@[]^_`{|}~', 'a=!"#$%&\'()*+-./:;<>?@[]^_`{|}~'],
    ['members without the blanks around them', 'a=1 ,\tb=2', 'a=1,b=2'],
    ['members but for empty ones', 'a=1,, ,b=2,', 'a=1,b=2'],
  ])('passes on %s', (_, header, expected) => {
    expect(stateOf(header)).toBe(expected);
  });

  it.each([
    ['no member', ' , '],
    ['a member without a value', 'a=1,b'],
    ['a value that is empty', 'a='],
    ['a key in capitals', 'Rojo=1'],
    ['a key with a blank', 'ro jo=1'],
    ['an equals sign in a value', 'a=b=c'],
    ['a control character', 'a=1\u0001'],
    ['a letter that is not ASCII', 'a=é'],
    ['a key that is too long', `${'a'.repeat(257)}=1`],
    ['a value that is too long', `a=${'1'.repeat(257)}`],
    ['more than 32 members', Array.from({ length: 33 }, (_, at) => `a${at}=1`).join(',')],
  ])('is left out whole with %s', (_, header) => {
    expect(stateOf(header)).toBeUndefined();
  });

  it('is left out without a valid traceparent', () => {
    expect(parseTraceContext(undefined, 'a=1')).toBeUndefined();
    expect(parseTraceContext(TRACEPARENT.replace('00-', 'ff-'), 'a=1')).toBeUndefined();
  });

  it('is cut to 512 characters: large members first, then the last ones', () => {
    const small = (name: string): string => `${name}=${'1'.repeat(98)}`;
    const large = `large=${'2'.repeat(130)}`;
    const four = ['a', 'b', 'c', 'd'].map(small);
    expect(stateOf([large, ...four].join(','))).toBe(four.join(','));
    const six = [...four, small('e'), small('f')];
    expect(stateOf(six.join(','))).toBe(six.slice(0, 5).join(','));
    expect(stateOf(six.slice(0, 5).join(','))).toHaveLength(504);
  });
});
