import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, holds, matches } from '../check.js';
import { M_INIT, M_RESULT, M_TWICE } from '../messages.js';
import type { Answer } from '../target/server.js';
import type { StartedServer } from '../target/started-server.js';
import { errorText, isError, resultOf } from '../verdicts.js';

const { action, fresh } = casesOf('classic');

const ONE = '#!/bin/sh\necho \'{"action":1}\'\n';
const TWO = '#!/bin/sh\necho \'{"action":2}\'\n';
const WITHOUT_CODE = ['', '{}', '{"value":{}}', '{"value":{"code":null}}', '{"value":{"name":"n"}}'];

/** Puts an action into the folder before the server starts, as an image's author would. */
export function image(script: string, mode = 0o755): (root: string) => void {
  return (root) => writeFileSync(join(root, 'exec'), script, { mode });
}

/** POST /init: requests, text as code, what counts as an init, re-init. */
export const initCases: readonly ConformanceCase[] = [
  fresh(
    'C-INIT-01',
    'peer',
    'success is 200, OK, text/html; charset=utf-8, and nothing is logged',
    async (context) => {
      const server = await context.start();
      const answer = await server.init({ code: ONE, binary: false, name: 'n', main: 'main' });
      ok(answer);
      equal('Content-Type', answer.headers['content-type'], 'text/html; charset=utf-8');
      const { stdout, stderr } = server.takeLogs();
      equal('logs', [stdout.toString(), stderr.toString()], ['', '']);
      equal('the run', resultOf('the run', await server.run()), { action: 1 });
    },
  ),

  ...WITHOUT_CODE.map((body) =>
    fresh(
      'C-INIT-02',
      'peer',
      `${body || 'no body'}: 200 where an executable exec is there`,
      async (context) => {
        const server = await context.start({ prepare: image(ONE) });
        ok(await server.post('/init', body));
        equal('the run', resultOf('the run', await server.run()), { action: 1 });
      },
    ),
  ),

  fresh('C-INIT-02', 'peer', 'without code and without exec: 502 M-INIT and sentinels', async (context) => {
    const server = await context.start();
    rmSync(server.exec);
    isError('init', await server.post('/init', '{}'), 502, M_INIT);
    server.takeRunLogs();
  }),

  fresh('C-INIT-03', 'peer', 'an init without code counts as the one init', async (context) => {
    const server = await context.start({ prepare: image(ONE) });
    ok(await server.post('/init', '{}'));
    isError('the second init', await server.init({ code: TWO }), 403, M_TWICE);
    equal('the run', resultOf('the run', await server.run()), { action: 1 });
  }),

  fresh('C-INIT-04', 'peer', 'text is written as UTF-8', async (context) => {
    const server = await context.start();
    ok(await server.init({ code: '#!/bin/sh\necho \'{"text":"grüße, 世界 🦜"}\'\n' }));
    equal('the run', resultOf('the run', await server.run()), { text: 'grüße, 世界 🦜' });
  }),

  fresh('C-INIT-04', 'peer', 'text of 5 MB', async (context) => {
    const server = await context.start();
    ok(await server.init({ code: `${ONE}exit\n#${'x'.repeat(5_000_000)}\n` }));
    equal('the run', resultOf('the run', await server.run()), { action: 1 });
  }),

  fresh('C-INIT-04', 'peer', 'empty text is a 200, and the run fails to start', async (context) => {
    const server = await context.start();
    ok(await server.init({ code: '' }));
    isError('the run', await server.run(), 502, M_RESULT);
  }),

  fresh('C-INIT-04', 'peer', 'the file keeps the mode it had', async (context) => {
    const server = await context.start({ prepare: image(ONE, 0o750) });
    ok(await server.init({ code: TWO }));
    equal('mode', modeOf(server), '750');
  }),

  fresh('C-INIT-05', 'better', 'text is executable also where no exec was there', async (context) => {
    const server = await context.start();
    rmSync(server.exec);
    ok(await server.init({ code: ONE }));
    equal('the run', resultOf('the run', await server.run()), { action: 1 });
  }),

  ...(
    [
      ['binary', '{"value":{"code":"x","binary":"false"}}'],
      ['binary', '{"value":{"code":"x","binary":1}}'],
      ['code', '{"value":{"code":5}}'],
      ['code', '{"value":{"code":{"a":1}}}'],
      ['env', '{"value":{"code":"x","env":[1]}}'],
      ['env', '{"value":{"code":"x","env":"A=b"}}'],
      ['code', '{"value":{"binary":true,"code":""}}'],
    ] as const
  ).map(([field, body]) =>
    fresh('C-INIT-16', 'better', `${body} is a 400 and touches nothing`, async (context) => {
      const server = await context.start({ prepare: image(ONE) });
      const answer = await server.post('/init', body);
      holds(`status for ${field}`, answer.status >= 400 && answer.status < 500, '4xx', answer.status);
      errorText('init', answer, 400);
      equal('the run', resultOf('the run', await server.run()), { action: 1 });
      ok(await server.init({ code: TWO }));
    }),
  ),

  fresh('C-INIT-17', 'peer', 'main, name and unknown fields are ignored', async (context) => {
    const server = await context.start();
    const value = { code: ONE, binary: false, main: 'nothing#like', name: '/no/such', other: [1] };
    ok(await server.post('/init', JSON.stringify({ value, more: true })));
    equal('the run', resultOf('the run', await server.run()), { action: 1 });
  }),

  fresh(
    'C-INIT-20',
    'peer',
    'a second init is a 403, logged on stderr without sentinels; the first stays',
    async (context) => {
      const server = await context.start();
      ok(await server.init({ code: ONE }));
      server.takeLogs();
      isError('the second init', await server.init({ code: TWO }), 403, M_TWICE);
      const { stdout, stderr } = server.takeLogs();
      equal('logs', [stdout.toString(), stderr.toString()], ['', `${M_TWICE}\n`]);
      equal('the run', resultOf('the run', await server.run()), { action: 1 });
    },
  ),

  fresh('C-INIT-20', 'peer', 'PROXY_ALLOW_REINIT=true allows no second init', async (context) => {
    const server = await context.start({ env: { PROXY_ALLOW_REINIT: 'true' } });
    ok(await server.init({ code: ONE }));
    isError('the second init', await server.init({ code: TWO }), 403, M_TWICE);
  }),

  // C-INIT-20.
  fresh(
    'C-INIT-20',
    'peer',
    'of inits at the same time one succeeds, the others are a 403',
    async (context) => {
      const server = await context.start();
      const answers = await Promise.all(Array.from({ length: 5 }, () => server.init({ code: ONE })));
      const statuses = answers.map(({ status }) => status).sort((one, other) => one - other);
      equal('statuses', statuses, [200, 403, 403, 403, 403]);
      equal('the run', resultOf('the run', await server.run()), { action: 1 });
    },
  ),

  fresh('C-INIT-21', 'peer', 'a failed init does not count', async (context) => {
    const server = await context.start();
    rmSync(server.exec);
    isError('the first init', await server.post('/init', '{}'), 502, M_INIT);
    await server.install(ONE);
    ok(await server.post('/init', '{}'));
    isError('the third init', await server.post('/init', '{}'), 403, M_TWICE);
  }),

  fresh(
    'C-INIT-22',
    'peer',
    'PROXY_ALLOW_REINIT=1: the new code serves the very next run',
    async (context) => {
      const server = await context.start({ env: { PROXY_ALLOW_REINIT: '1' } });
      for (const [code, result] of [
        [ONE, 1],
        [TWO, 2],
        [ONE, 1],
      ] as const) {
        ok(await server.init({ code }));
        equal('the run', resultOf('the run', await server.run()), { action: result });
      }
    },
  ),

  ...['[1]', '"text"', '5', 'true', '{"value":null}', '{"value":[1]}', '{"value":"x"}', '{"value":5}'].map(
    (body) =>
      fresh('C-INIT-24', 'peer', `${body} is a 404`, async (context) => {
        const server = await context.start();
        equal('status', (await server.post('/init', body)).status, 404);
      }),
  ),

  fresh(
    'C-INIT-24',
    'peer',
    'a body or value that is no object does not count as an init',
    async (context) => {
      const server = await context.start();
      equal('init', (await server.post('/init', '{"value":5}')).status, 404);
      ok(await server.init({ code: ONE }));
    },
  ),

  fresh('C-INIT-25', 'better', 'that 404 is in JSON', async (context) => {
    const server = await context.start();
    errorText('a value that is no object', await server.post('/init', '{"value":5}'), 404);
    errorText('a body that is no object', await server.post('/init', '[1]'), 404);
  }),

  ...(
    [
      ['text', 'no JSON'],
      ['NaN', '{"value":{"env":{"a":NaN}}}'],
      ['text after the object', '{"value":{}} more'],
      ['a cut object', '{"value":{"code":"x"'],
      ['invalid UTF-8', Buffer.from([...Buffer.from('{"value":{"code":"'), 0xff, ...Buffer.from('"}}')])],
    ] as const
  ).map(([what, body]) =>
    fresh('C-INIT-26', 'better', `${what} is a 400 that does not count`, async (context) => {
      const server = await context.start();
      errorText('init', await server.post('/init', body), 400);
      ok(await server.init({ code: ONE }));
    }),
  ),

  fresh('C-INIT-27', 'peer', '403 and 404 have no sentinels', async (context) => {
    const server = await context.start();
    equal('init', (await server.post('/init', '{"value":5}')).status, 404);
    ok(await server.init({ code: ONE }));
    equal('init', (await server.init({ code: ONE })).status, 403);
    const { stdout, stderr } = server.takeLogs();
    equal('logs', [stdout.toString(), stderr.toString()], ['', `${M_TWICE}\n`]);
  }),

  fresh('C-INIT-27', 'better', '400 has no sentinels', async (context) => {
    const server = await context.start();
    equal('init', (await server.post('/init', 'no JSON')).status, 400);
    const { stdout, stderr } = server.takeLogs();
    equal('logs', [stdout.toString(), stderr.toString()], ['', '']);
  }),

  fresh('C-INIT-28', 'better', 'the error says what is wrong', async (context) => {
    const server = await context.start();
    const text = errorText('init', await server.init({ binary: true, code: '!' }), 502);
    matches('error', text, /base64/i);
    matches('error', errorText('init', await server.init({ code: 5 }), 400), /code/);
  }),

  action('C-INIT-20', 'peer', 'a second init of a server in use is a 403', async (server) => {
    isError('the second init', await server.init({ code: ONE }), 403, M_TWICE);
  }),
];

function ok(answer: Answer): void {
  equal('init', [answer.status, answer.text], [200, 'OK']);
}

function modeOf(server: StartedServer): string {
  return (statSync(server.exec).mode & 0o777).toString(8);
}
