import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, holds } from '../check.js';
import { M_ARGS } from '../messages.js';
import type { Server } from '../target/server.js';
import { type Report, reportOf } from '../target/toolbox.js';
import { errorText, isError, resultOf } from '../verdicts.js';

const { action, logged, fresh } = casesOf('classic');

const MAX_ARGUMENT = 131_071;
const PRETTY = '{\n  "value": {\r\n\t"a": [1,\n 2],\n "b": "x y"\n}\n}';
const ELF_SOURCE = `#include <stdio.h>
int main(int argc, char **argv) {
  char line[1024];
  if (!fgets(line, sizeof line, stdin)) return 1;
  printf("{\\"argc\\":%d,\\"same\\":%s}\\n", argc, argc == 2 && !__builtin_strcmp(argv[1], line) ? "true" : "false");
}
`;

const NO_ARGUMENTS = [
  '{"value":null}',
  '{"value":"x"}',
  '{"value":5}',
  '{"value":true}',
  '[1]',
  '"text"',
  '5',
];

const NO_JSON: readonly (readonly [string, string | Buffer])[] = [
  ['text', 'no JSON'],
  ['NaN', '{"value":{"a":NaN}}'],
  ['Infinity', '{"value":{"a":Infinity}}'],
  ['text after the object', '{"value":{}} more'],
  ['a raw line break in a string', '{"value":{"a":"x\ny"}}'],
  ['invalid UTF-8', Buffer.from([...Buffer.from('{"value":{"a":"'), 0xff, ...Buffer.from('"}}')])],
  ['UTF-16', Buffer.from('\ufeff{"value":{}}', 'utf16le')],
];

async function seen(server: Server, body: string | Uint8Array): Promise<Report> {
  const answer = await server.post('/run', body);
  resultOf('the run', answer);
  return reportOf(answer.text);
}

/** POST /run: what a run is given. */
export const runArgumentCases: readonly ConformanceCase[] = [
  ...['{}', '{"namespace":"n"}', '{"value":{}}', '', 'null'].map((body) =>
    action('C-RUN-01', 'peer', `${body || 'an empty body'} runs with {}`, async (server) => {
      equal('stdin', (await seen(server, body)).stdin, '{}');
    }),
  ),

  action('C-RUN-01', 'peer', 'an array is passed', async (server) => {
    equal('stdin', JSON.parse((await seen(server, '{"value":[1,{"a":[]}]}')).stdin), [1, { a: [] }]);
  }),

  ...NO_ARGUMENTS.map((body) =>
    action('C-RUN-02', 'peer', `${body} is a 404 M-ARGS`, async (server) => {
      isError('the run', await server.post('/run', body), 404, M_ARGS);
    }),
  ),

  logged('C-RUN-02', 'peer', 'such a 404 has sentinels, and logs nothing else', async (server) => {
    for (const body of NO_ARGUMENTS) {
      server.takeLogs();
      equal('status', (await server.post('/run', body)).status, 404);
      equal(`log of ${body}`, server.takeRunLogs(), { stdout: '', stderr: '' });
    }
  }),

  fresh('C-RUN-02', 'peer', 'nothing is started', async (context) => {
    const server = await context.start();
    await server.install('#!/bin/sh\n: > started\necho "{}"\n');
    isError('the run', await server.post('/run', '{"value":5}'), 404, M_ARGS);
    const names = execFileSync('ls', [server.actionRoot], { encoding: 'utf8' });
    equal('the action’s trace', names.includes('started'), false);
  }),

  ...NO_JSON.map(([what, body]) =>
    action('C-RUN-03', 'better', `${what} is a 400`, async (server) => {
      errorText('the run', await server.post('/run', body), 400);
    }),
  ),

  logged('C-RUN-03', 'better', 'such a 400 has sentinels, and logs nothing else', async (server) => {
    for (const [what, body] of NO_JSON) {
      server.takeLogs();
      equal('status', (await server.post('/run', body)).status, 400);
      equal(`log of ${what}`, server.takeRunLogs(), { stdout: '', stderr: '' });
    }
  }),

  action('C-RUN-03', 'peer', 'a UTF-8 byte order mark is accepted', async (server) => {
    equal('stdin', JSON.parse((await seen(server, '\ufeff{"value":{"a":1}}')).stdin), { a: 1 });
  }),

  action(
    'C-RUN-04',
    'peer',
    'stdin is one line without its end, and the same text is argv[1]',
    async (server) => {
      const { stdin, argc, argument } = await seen(server, '{"value":{"a":"x y","b":[1,null]}}');
      equal('arguments', JSON.parse(stdin), { a: 'x y', b: [1, null] });
      holds('stdin', !/[\r\n]/.test(stdin), 'one line without its end', stdin);
      equal('argc and argv[1]', [argc, argument], [1, stdin]);
    },
  ),

  action('C-RUN-04', 'peer', 'argv[0] is the absolute path of exec', async (server) => {
    const { path } = resultOf('the run', await server.sh('echo "{\\"path\\":\\"$0\\"}"')) as { path: string };
    holds('argv[0]', /^\/.*\/exec$/.test(path), 'an absolute path that ends in /exec', path);
  }),

  action('C-RUN-04', 'peer', 'up to 131,071 characters there is an argv[1]', async (server) => {
    const empty = (await seen(server, '{"value":{"a":""}}')).stdin.length;
    const body = (length: number): string => `{"value":{"a":"${'x'.repeat(length - empty)}"}}`;
    const largest = await seen(server, body(MAX_ARGUMENT));
    equal('length of stdin', largest.stdin.length, MAX_ARGUMENT);
    equal('argc at the limit', largest.argc, 1);
    holds('argv[1]', largest.argument === largest.stdin, 'the text of stdin', largest.argument);
    const larger = await seen(server, body(MAX_ARGUMENT + 1));
    equal('length of stdin', larger.stdin.length, MAX_ARGUMENT + 1);
    equal('argc beyond it', larger.argc, 0);
  }),

  action('C-RUN-04', 'peer', '1 MB arrives whole on stdin', async (server) => {
    const text = 'x'.repeat(1_000_000);
    const { stdin } = await seen(server, JSON.stringify({ value: { text } }));
    holds('stdin', (JSON.parse(stdin) as { text: string }).text === text, 'what was sent', stdin);
  }),

  fresh(
    'C-RUN-04',
    'peer',
    'a compiled program is run as well',
    async (context) => {
      const program = join(context.scratch, 'program');
      writeFileSync(`${program}.c`, ELF_SOURCE);
      execFileSync('gcc', ['-static', '-o', program, `${program}.c`]);
      const server = await context.start();
      await server.install(readFileSync(program));
      const result = resultOf('the run', await server.run({ a: 'ü' }));
      equal('argc, and whether argv[1] is the line of stdin', result, { argc: 2, same: true });
    },
    ['gcc'],
  ),

  action('C-RUN-05', 'peer', 'a body on several lines arrives as one line', async (server) => {
    const { stdin } = await seen(server, PRETTY);
    holds('stdin', !/[\r\n]/.test(stdin), 'one line', stdin);
    equal('arguments', JSON.parse(stdin), { a: [1, 2], b: 'x y' });
  }),

  action(
    'C-RUN-05',
    'peer',
    'the order of keys is kept, of duplicates a reader sees the last',
    async (server) => {
      const { stdin } = await seen(server, '{"value":{"z":1,"a":2,"m":3,"d":1,"d":2}}');
      const entries = Object.entries(JSON.parse(stdin) as Record<string, number>);
      equal('arguments', entries, Object.entries({ z: 1, a: 2, m: 3, d: 2 }));
    },
  ),

  ...[
    '{"a":1.50,"b":1e400,"c":12345678901234567890123,"d":-0.0}',
    '{"a":0.1234567890123456789012345}',
    '{ "text" : "\\u00fc\\/ü" , "d":1,"d":2}',
  ].map((value) =>
    action('C-RUN-06', 'better', `the very text is passed: ${value}`, async (server) => {
      const { stdin, argument } = await seen(server, `{"value":${value},"namespace":"n"}`);
      equal('stdin', stdin, value);
      equal('argv[1]', argument, value);
    }),
  ),

  action('C-RUN-06', 'better', 'the limit of argv[1] is in bytes', async (server) => {
    const value = `{"a":"${'ü'.repeat(70_000)}"}`;
    const { stdin, argc } = await seen(server, `{"value":${value}}`);
    equal('argc', argc, 0);
    holds('stdin', stdin === value, 'what was sent', stdin);
  }),

  ...[
    ['ignores stdin', 'echo \'{"read":false}\''],
    ['closes stdin', 'exec 0<&-; echo \'{"read":false}\''],
  ].map(([what, text]) =>
    fresh('C-RUN-07', 'peer', `an action that ${what} is no error, with 3 MB on it`, async (context) => {
      const server = await context.start();
      await server.install(`#!/bin/sh\n${text}\n`);
      const answer = await server.run({ text: 'x'.repeat(3_000_000) });
      equal('the run', resultOf('the run', answer), { read: false });
    }),
  ),
];
