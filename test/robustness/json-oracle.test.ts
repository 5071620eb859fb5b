import { describe, expect, it } from 'vitest';
import { maySucceed } from '../../robustness/fuzz/init-bodies.js';
import { demandFor } from '../../robustness/fuzz/json-bodies.js';

const classic = (text: string): unknown => demandFor('classic', Buffer.from(text, 'latin1'));
const loop = (text: string): unknown => demandFor('actionloop', Buffer.from(text, 'latin1'));

describe('the oracle of run bodies', () => {
  it('knows what the classic protocol demands', () => {
    expect(classic('{"value":{"a":[1]}}')).toEqual({ status: [200], value: { a: [1] } });
    expect(classic('{}')).toEqual({ status: [200], value: {} });
    expect(classic('')).toEqual({ status: [200], value: {} });
    expect(classic('null')).toEqual({ status: [200], value: {} });
    expect(classic('{"value":5}')).toEqual({ status: [404] });
    expect(classic('"text"')).toEqual({ status: [404] });
    expect(classic('{"value":NaN}')).toEqual({ status: [400] });
    expect(classic('{"value":"\xff"}')).toEqual({ status: [400] });
  });

  it('leaves open what the contract leaves open', () => {
    expect(classic('[]')).toBeUndefined();
    expect(classic('{"activation":{},"value":{}}')).toBeUndefined();
    expect(demandFor('knative', Buffer.from('{"value":{}}'))).toBeUndefined();
  });

  it('knows what ActionLoop demands', () => {
    expect(loop('{"value":1}')).toEqual({ status: [200], value: { value: 1 } });
    expect(loop('{')).toEqual({ status: [400] });
  });
});

describe('the oracle of init bodies', () => {
  it('knows what must be refused', () => {
    const text = (body: string): boolean | undefined => maySucceed('classic', Buffer.from(body));
    expect(text('{')).toBe(false);
    expect(text('[]')).toBe(false);
    expect(text('{"value":null}')).toBe(false);
    expect(text('{"value":{"code":5}}')).toBe(false);
    expect(text('{"value":{"env":[]}}')).toBe(false);
    expect(text('{"value":{"code":"x","binary":false}}')).toBeUndefined();
  });
});
