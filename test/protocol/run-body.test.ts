import { describe, expect, it } from 'vitest';
import { deadlineIn, parseRunBody, readRunBody } from '../../src/protocol/run-body.js';

describe('a body of a run that has been parsed', () => {
  it.each([
    '{"value":{"a":\n1},"action_name":"/g/a","deadline":"5"}',
    '{"value":[1],"activation":{"b":{"c":2}}}',
    '{"value":1}',
    '{"activation":7}',
    '{"a=b":1}',
    'null',
    '{',
  ])('is read as it is without that, after it went to another thread: %s', (text) => {
    const body = Buffer.from(text);
    const parsed = structuredClone(parseRunBody(body));
    expect(readRunBody(Buffer.from(body), parsed)).toEqual(readRunBody(body));
  });

  it('is not parsed again', () => {
    const body = Buffer.from('{"value":{"a":1}} and what is no JSON');
    const parsed = { context: [], argument: { start: 9, end: 16 } };
    expect(readRunBody(body, parsed)).toEqual({ argument: Buffer.from('{"a":1}'), variables: [] });
  });
});

describe('C-PLAT-05: the deadline', () => {
  it.each([
    ['{"deadline":"1700000000000"}', 1_700_000_000_000],
    ['{"deadline":1700000000000}', 1_700_000_000_000],
    ['{"deadline":"\\u0031"}', 1],
    ['{"activation":{"deadline":"2"},"deadline":"1"}', 2],
    ['{"activation":{},"deadline":"1"}', undefined],
    ['{"activation":null,"deadline":"1"}', 1],
    ['{"value":1,"deadline":"1"}', 1],
    ['{"deadline":"soon"}', undefined],
    [`{"deadline":"${'0'.repeat(100)}"}`, undefined],
    ['[]', undefined],
    ['{', undefined],
  ])('of %s is %s', (text, deadline) => {
    const body = Buffer.from(text);
    expect(deadlineIn(body, parseRunBody(body))).toBe(deadline);
  });
});
