import { type ConformanceCase, casesOf } from '../case.js';
import { equal, holds, matches } from '../check.js';
import { M_STUB, M_TWICE } from '../messages.js';
import { FILE, zipOf } from '../support/zip.js';
import type { Answer, Server } from '../target/server.js';
import { reportOf, TOOLBOX } from '../target/toolbox.js';
import { errorText, isError, resultOf } from '../verdicts.js';

const { wire, action, logged, fresh } = casesOf('knative');

const CODE = TOOLBOX.knative;
const SCRIPT = '#!/bin/sh\necho \'{"dedicated":true}\'\n';
const NOT_OBJECT = 'The action did not receive a dictionary as an argument.';
const DEDICATED = 'Cannot initialize a runtime with a dedicated function.';
const M_RUN_TYPE = (key: string): string =>
  `Unable to process Initialization data: Invalid Init. data; expected boolean for key '${key}'.`;

/** POST / with this message. */
export function send(
  server: Server,
  message: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  return server.post('/', JSON.stringify(message), headers);
}

/** The arguments that the toolbox got. */
export function argumentsOf(answer: Answer): Record<string, unknown> {
  resultOf('the run', answer);
  return JSON.parse(reportOf(answer.text).stdin) as Record<string, unknown>;
}

/** Knative: routes, requests, inits. */
export const knativeRequestCases: readonly ConformanceCase[] = [
  wire('C-KN-01', 'peer', '/init and /run are 404', async (server) => {
    for (const path of ['/init', '/run']) equal(path, (await server.post(path, '{}')).status, 404);
  }),

  wire('C-KN-01', 'peer', 'other methods than POST are a 405', async (server) => {
    for (const method of ['GET', 'PUT', 'DELETE'])
      equal(method, (await server.request(method, '/')).status, 405);
  }),

  fresh('C-KN-01', 'peer', '__OW_HTTP_METHODS lists methods in brackets, in any case', async (context) => {
    const server = await context.start({ env: { __OW_HTTP_METHODS: '[get,POST,Delete]' } });
    for (const [method, status] of [
      ['GET', 200],
      ['POST', 200],
      ['DELETE', 200],
      ['PUT', 405],
    ] as const) {
      equal(method, (await server.request(method, '/')).status, status);
    }
  }),

  fresh('C-KN-01', 'peer', 'an unknown method is dropped, and stderr says so', async (context) => {
    const server = await context.start({ env: { __OW_HTTP_METHODS: '[POST,FETCH]' } });
    const says = "Environment variable '__OW_HTTP_METHODS' has an unrecognised value (FETCH).\n";
    equal('stderr', server.takeLogs().stderr.toString(), says);
    equal('POST', (await server.post('/', '{}')).status, 200);
  }),

  fresh('C-KN-01', 'peer', 'a value without brackets means POST', async (context) => {
    const server = await context.start({ env: { __OW_HTTP_METHODS: 'GET' } });
    equal('GET', (await server.request('GET', '/')).status, 405);
    equal('POST', (await server.post('/', '{}')).status, 200);
  }),

  // C-KN-01.
  logged(
    'C-KN-01',
    'peer',
    'OPTIONS that is not listed is a 200 with Allow, without a run',
    async (server) => {
      server.takeLogs();
      const answer = await server.request('OPTIONS', '/');
      equal('status', answer.status, 200);
      matches('Allow', answer.headers.allow ?? '', /POST/);
      equal('stdout', server.takeLogs().stdout.toString(), '');
    },
  ),

  fresh('C-KN-01', 'peer', 'GET implies HEAD', async (context) => {
    const server = await context.start({ env: { __OW_HTTP_METHODS: '[GET]' } });
    equal('HEAD', (await server.request('HEAD', '/')).status, 200);
  }),

  fresh('C-KN-01', 'peer', 'the platform’s name is taken in any case', async (context) => {
    const server = await context.start({ env: { __OW_RUNTIME_PLATFORM: 'KNative' } });
    equal('/', (await server.post('/', '{}')).status, 200);
    equal('/run', (await server.post('/run', '{}')).status, 404);
  }),

  fresh('C-KN-01', 'peer', 'another platform is named on stderr, and means openwhisk', async (context) => {
    const server = await context.start({ env: { __OW_RUNTIME_PLATFORM: 'OtherOne' } });
    const says =
      'Invalid __OW_RUNTIME_PLATFORM otherone! Valid Platforms are openwhisk and knative. Defaulting to openwhisk.\n';
    equal('stderr', server.takeLogs().stderr.toString(), says);
    equal('/run', (await server.run()).status, 200);
  }),

  fresh('C-KN-02', 'better', 'an empty __OW_HTTP_METHODS means POST', async (context) => {
    const server = await context.start({ env: { __OW_HTTP_METHODS: '' } });
    equal('POST', (await server.post('/', '{}')).status, 200);
  }),

  fresh('C-KN-02', 'better', 'blanks in the list are ignored', async (context) => {
    const server = await context.start({ env: { __OW_HTTP_METHODS: '[GET, POST]' } });
    equal('POST', (await server.post('/', '{}')).status, 200);
    equal('stderr', server.takeLogs().stderr.toString().includes('unrecognised'), false);
  }),

  ...['', '{}', 'no JSON'].map((body) =>
    action('C-KN-03', 'peer', `${body || 'no body'} runs with {}`, async (server) => {
      equal('arguments', argumentsOf(await server.post('/', body)), {});
    }),
  ),

  ...['[1]', '5', '"text"'].map((body) =>
    logged('C-KN-03', 'peer', `${body} is a 404 without sentinels`, async (server) => {
      server.takeLogs();
      isError('the request', await server.post('/', body), 404, NOT_OBJECT);
      equal('stdout', server.takeLogs().stdout.toString(), '');
    }),
  ),

  fresh(
    'C-KN-04',
    'peer',
    'init, activation and value: an init and a run in one request',
    async (context) => {
      const server = await context.start();
      const init = { code: CODE, name: 'n', main: 'main', binary: false };
      const given = argumentsOf(await send(server, { init, activation: {}, value: { a: 1 } }));
      equal('a', given.a, 1);
      const fields = ['code', 'main', 'binary', 'raw', 'actionName'].filter((key) => key in given);
      equal('the init’s fields in the arguments', fields, []);
      equal('a of a run alone', argumentsOf(await send(server, { activation: {}, value: { a: 2 } })).a, 2);
    },
  ),

  fresh('C-KN-04', 'peer', 'an archive in base64', async (context) => {
    const server = await context.start();
    const zip = zipOf([{ name: 'exec', data: CODE, mode: FILE | 0o755 }]);
    const init = { code: zip.toString('base64'), binary: true };
    equal('a', argumentsOf(await send(server, { init, activation: {}, value: { a: 1 } })).a, 1);
  }),

  fresh('C-KN-04', 'better', 'parameters that are named like the init’s fields are kept', async (context) => {
    const server = await context.start();
    const value = { code: 'c', main: 'm', binary: 1, raw: 2, actionName: 'n' };
    const given = argumentsOf(await send(server, { init: { code: CODE }, activation: {}, value }));
    equal('parameters', Object.fromEntries(Object.keys(value).map((key) => [key, given[key]])), value);
  }),

  fresh('C-KN-05', 'better', 'init alone: 200 OK without a run; repeated, 403 M-TWICE', async (context) => {
    const server = await context.start();
    const answer = await send(server, { init: { code: SCRIPT } });
    equal('init', [answer.status, answer.text], [200, 'OK']);
    const { stdout, stderr } = server.takeLogs();
    equal('logs', [stdout.toString(), stderr.toString()], ['', '']);
    isError('the second init', await send(server, { init: { code: CODE } }), 403, M_TWICE);
    equal('the run', resultOf('the run', await send(server, { value: {} })), { dedicated: true });
  }),

  fresh(
    'C-KN-06',
    'peer',
    'init again with a run: M-TWICE is logged, the first action runs',
    async (context) => {
      const server = await context.start();
      const run = { activation: {}, value: {} };
      equal('the first', (await send(server, { init: { code: SCRIPT }, ...run })).status, 200);
      server.takeLogs();
      const answer = await send(server, { init: { code: CODE }, ...run });
      equal('the run', resultOf('the run', answer), { dedicated: true });
      equal('stderr', server.takeRunLogs().stderr, `${M_TWICE}\n`);
    },
  ),

  logged('C-KN-07', 'better', 'a run logs nothing of its own', async (server) => {
    server.takeLogs();
    equal('the run', (await send(server, { activation: {}, value: {} })).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: '', stderr: '' });
  }),

  fresh('C-KN-08', 'better', 'the error of a failed init is the answer', async (context) => {
    const server = await context.start();
    const message = { init: { code: '!', binary: true }, activation: {}, value: {} };
    errorText('the request', await send(server, message), 502);
    const good = { init: { code: SCRIPT }, activation: {}, value: {} };
    equal('the next', resultOf('the run', await send(server, good)), { dedicated: true });
  }),

  fresh(
    'C-KN-09',
    'peer',
    'dedicated: the first request inits from the environment and runs',
    async (context) => {
      const server = await context.start({ env: { __OW_ACTION_CODE: SCRIPT } });
      for (const message of [{ activation: {}, value: {} }, { value: {} }, {}])
        equal('the run', resultOf('the run', await send(server, message)), { dedicated: true });
    },
  ),

  fresh('C-KN-09', 'peer', 'dedicated: __OW_ACTION_BINARY, in any case', async (context) => {
    const zip = zipOf([{ name: 'exec', data: SCRIPT, mode: FILE | 0o755 }]);
    const env = { __OW_ACTION_CODE: zip.toString('base64'), __OW_ACTION_BINARY: 'True' };
    const server = await context.start({ env });
    equal('the run', resultOf('the run', await send(server, { value: {} })), { dedicated: true });
  }),

  fresh('C-KN-09', 'peer', 'dedicated: init in a body is a 404', async (context) => {
    const server = await context.start({ env: { __OW_ACTION_CODE: SCRIPT } });
    const message = { init: { code: CODE }, activation: {}, value: {} };
    isError('the request', await send(server, message), 404, DEDICATED);
  }),

  action('C-KN-10', 'peer', 'without activation value runs as it is', async (server) => {
    equal('arguments', argumentsOf(await send(server, { value: { a: 1 } })), { a: 1 });
  }),

  fresh('C-KN-10', 'peer', 'the stub runs where nothing was initialised', async (context) => {
    const server = await context.start();
    equal('the run', resultOf('the run', await send(server, { value: {} })), { error: M_STUB });
  }),

  ...['binary', 'raw'].map((key) =>
    fresh('C-KN-11', 'peer', `${key} of init that is no boolean is a 404`, async (context) => {
      const server = await context.start();
      const message = { init: { code: CODE, [key]: 'true' }, activation: {}, value: {} };
      isError('the request', await send(server, message), 404, M_RUN_TYPE(key));
    }),
  ),

  fresh(
    'C-KN-12',
    'peer',
    'with activation and value: __ow_method, __ow_headers, __ow_path, __ow_user',
    async (context) => {
      const server = await context.start({ env: { __OW_NAMESPACE: 'guest' } });
      const message = { init: { code: CODE }, activation: {}, value: { a: 1 } };
      const given = argumentsOf(await send(server, message, { 'X-Conformance': 'yes' }));
      equal(
        'method, path and user',
        [given.__ow_method, given.__ow_path, given.__ow_user],
        ['POST', '', 'guest'],
      );
      const headers = Object.entries(given.__ow_headers as Record<string, string>);
      const own = headers.find(([name]) => name.toLowerCase() === 'x-conformance');
      equal('the header', own?.[1], 'yes');
      equal('a', given.a, 1);
    },
  ),

  action('C-KN-12', 'peer', '__ow_user is empty without a namespace', async (server) => {
    const given = argumentsOf(await send(server, { activation: {}, value: {} }));
    holds('__ow_user', given.__ow_user === '', 'an empty text', given.__ow_user);
  }),
];
