import { expect, it } from 'vitest';
import { prettyLine } from '../../src/logging/server-log/pretty.js';

const TIME = Date.UTC(2026, 0, 2, 3, 4, 5, 6);

function line(record: object, coloured = false): string {
  return prettyLine(JSON.stringify({ level: 30, time: TIME, ...record }), coloured);
}

it('writes a record as one line, with facts by their path', () => {
  const record = { msg: 'run', activationId: 'a-1', exit: { status: 0, usage: { userCpuSeconds: 0.12345 } } };
  expect(line(record)).toBe(
    '03:04:05.006 INFO  run activationId=a-1 exit.status=0 exit.usage.userCpuSeconds=0.123\n',
  );
});

it('quotes what is more than a word, and lets nothing steer the terminal', () => {
  expect(line({ msg: 'x', detail: 'two words', id: '\x1b[2J\r\n', '\x1b]0;': '\u009b' })).toBe(
    '03:04:05.006 INFO  x detail="two words" id="\\u001b[2J\\r\\n" \\u001b]0;="\\u009b"\n',
  );
});

it('shows the stack of an error below it', () => {
  expect(line({ level: 50, msg: 'broken', err: { message: 'no', stack: 'Error: no\n    at here' } })).toBe(
    '03:04:05.006 ERROR broken\n  Error: no\n      at here\n',
  );
});

it('is coloured for a terminal', () => {
  expect(line({ level: 40, msg: 'x' }, true)).toBe('03:04:05.006 \x1b[33mWARN \x1b[0m x\n');
});
