import { execFileSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, holds, matches } from '../check.js';
import { M_TWICE } from '../messages.js';
import { FILE, zipOf } from '../support/zip.js';
import type { Answer } from '../target/server.js';
import { errorText, isError, resultOf } from '../verdicts.js';

const { wire, action, fresh } = casesOf('actionloop');

const NO_CODE = 'Missing main/no code to execute.';

/** An action that does this for every line. */
export function loop(body: string, before = ''): string {
  return `#!/bin/sh\n${before}\nwhile IFS= read -r line; do\n${body}\ndone\n`;
}

export const ONE = loop('echo \'{"action":1}\' >&3');
const TWO = loop('echo \'{"action":2}\' >&3');

/** `value` of an init with a zip of these files, modes as they are given. */
export function zipped(
  files: Readonly<Record<string, string>>,
  mode = FILE | 0o755,
): Record<string, unknown> {
  const zip = zipOf(Object.entries(files).map(([name, data]) => ({ name, data, mode })));
  return { binary: true, code: zip.toString('base64') };
}

/** Throws unless it is the answer of a good init. */
export function initialized(answer: Answer): void {
  equal('init', [answer.status, answer.text], [200, '{"ok":true}\n']);
}

/** ActionLoop: what an init takes and what it refuses. */
export const actionloopInitCases: readonly ConformanceCase[] = [
  fresh(
    'C-AL-01',
    'peer',
    'success is 200 {"ok":true}, application/json, and nothing is logged',
    async (context) => {
      const server = await context.start();
      const answer = await server.init({ code: ONE, binary: false, name: 'n', main: 'main' });
      initialized(answer);
      equal('Content-Type', answer.headers['content-type'], 'application/json');
      const { stdout, stderr } = server.takeLogs();
      equal('logs', [stdout.toString(), stderr.toString()], ['', '']);
    },
  ),

  ...(
    [
      ['text', () => ({ code: ONE })],
      ['one file in base64', () => ({ binary: true, code: Buffer.from(ONE).toString('base64') })],
      ['a zip', () => zipped({ exec: ONE })],
      ['a zip whose exec has mode 644', () => zipped({ exec: ONE }, FILE | 0o644)],
      [
        'base64 on several lines',
        () => ({
          binary: true,
          code: `${Buffer.from(ONE).toString('base64').replace(/.{20}/g, '$&\r\n')}\n`,
        }),
      ],
    ] as const
  ).map(([what, value]) =>
    fresh('C-AL-02', 'peer', `code as ${what}`, async (context) => {
      const server = await context.start();
      initialized(await server.init(value()));
      equal('the run', resultOf('the run', await server.run()), { action: 1 });
    }),
  ),

  fresh('C-AL-02', 'peer', 'code as a tar.gz', async (context) => {
    writeFileSync(join(context.scratch, 'exec'), ONE, { mode: 0o755 });
    const tar = execFileSync('tar', ['-czf', '-', '-C', context.scratch, 'exec']);
    const server = await context.start();
    initialized(await server.init({ binary: true, code: tar.toString('base64') }));
    equal('the run', resultOf('the run', await server.run()), { action: 1 });
  }),

  action('C-AL-02', 'peer', 'the child is exec in the folder bin of its init', async (server) => {
    const { path } = resultOf('the run', await server.sh('echo "{\\"path\\":\\"$0\\"}" >&3')) as {
      path: string;
    };
    matches('argv[0]', path, /(^|\/)\d+\/bin\/exec$/);
  }),

  ...[
    '{}',
    '{"value":{}}',
    '{"value":{"code":""}}',
    '{"value":{"code":null}}',
    '{"value":{"main":"main"}}',
  ].map((body) =>
    fresh('C-AL-03', 'peer', `${body} is a 403`, async (context) => {
      const server = await context.start();
      isError('init', await server.post('/init', body), 403, NO_CODE);
      initialized(await server.init({ code: ONE }));
    }),
  ),

  fresh('C-AL-04', 'peer', 'a second init is a 403, logged on stderr; the first stays', async (context) => {
    const server = await context.start();
    initialized(await server.init({ code: ONE }));
    isError('the second init', await server.init({ code: TWO }), 403, M_TWICE);
    const { stdout, stderr } = server.takeLogs();
    equal('stdout', stdout.toString(), '');
    holds('stderr', stderr.toString().endsWith(`${M_TWICE}\n`), M_TWICE, stderr);
    equal('the run', resultOf('the run', await server.run()), { action: 1 });
  }),

  fresh(
    'C-AL-04',
    'better',
    'PROXY_ALLOW_REINIT=1: a new child; where it fails the old one serves',
    async (context) => {
      const server = await context.start({ env: { PROXY_ALLOW_REINIT: '1' } });
      initialized(await server.init({ code: ONE }));
      initialized(await server.init({ code: TWO }));
      equal('the run', resultOf('the run', await server.run()), { action: 2 });
      errorText('a failed init', await server.init({ code: 'no script' }), 502);
      equal('the run', resultOf('the run', await server.run()), { action: 2 });
    },
  ),

  ...['no JSON', '{"value":{"code":5}}', '{"value":{"code":"x","binary":"true"}}', '{"value":5}', '[]'].map(
    (body) =>
      fresh('C-AL-05', 'peer', `${body} is a 400`, async (context) => {
        const server = await context.start();
        const text = errorText('init', await server.post('/init', body), 400);
        matches('error', text, /^Error unmarshaling request: ./);
        initialized(await server.init({ code: ONE }));
      }),
  ),

  ...['!', 'abc', 'ab-_'].map((code) =>
    fresh('C-AL-05', 'peer', `${code} is no base64: 400`, async (context) => {
      const server = await context.start();
      const text = errorText('init', await server.init({ binary: true, code }), 400);
      matches('error', text, /^cannot decode the request: ./);
    }),
  ),

  fresh('C-AL-21', 'better', 'a truncated zip is an error, and not counted', async (context) => {
    const server = await context.start();
    const zip = zipOf([{ name: 'exec', data: ONE.repeat(50), stored: true }]).subarray(0, 400);
    const answer = await server.init({ binary: true, code: zip.toString('base64') });
    holds('status', answer.status === 502 || answer.status === 400, '502 or 400', answer.status);
    errorText('init', answer, answer.status);
    initialized(await server.init({ code: ONE }));
  }),

  fresh(
    'C-AL-21',
    'better',
    'a path that leads outside is refused, and nothing is written',
    async (context) => {
      const server = await context.start();
      const evil = join(context.scratch, 'evil');
      const zip = zipOf([
        { name: 'exec', data: ONE, mode: FILE | 0o755 },
        { name: `../../../../../../../../../..${evil}`, data: 'x' },
      ]);
      const answer = await server.init({ binary: true, code: zip.toString('base64') });
      equal('the file outside', existsSync(evil), false);
      holds('status', answer.status === 502 || answer.status === 400, '502 or 400', answer.status);
      initialized(await server.init({ code: ONE }));
    },
  ),

  wire('C-AL-20', 'better', 'another path is a 404, another method a 405', async (server) => {
    errorText('another path', await server.post('/nowhere', '{}'), 404);
    errorText('another method', await server.request('GET', '/run'), 405);
  }),
];
