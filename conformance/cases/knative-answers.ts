import { type ConformanceCase, casesOf } from '../case.js';
import { equal, holds } from '../check.js';
import { M_RESULT } from '../messages.js';
import type { Answer } from '../target/server.js';
import { TOOLBOX } from '../target/toolbox.js';
import { isError, jsonOf, resultOf } from '../verdicts.js';
import { printed, printer } from './init-environment.js';
import { argumentsOf, send } from './knative.js';

const { action, logged, fresh } = casesOf('knative');

const CODE = TOOLBOX.knative;
const METHODS = 'OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH';
const HEADERS = 'Authorization, Origin, X - Requested - With, Content - Type, Accept, User - Agent';

/** A script that answers this result. */
function answers(result: unknown): string {
  return `cat <<'RESULT'\n${JSON.stringify(result)}\nRESULT`;
}

function show(...names: readonly string[]): string {
  return printer(...names).replace('#!/bin/sh\n', '');
}

function values(answer: Answer): (string | null)[] {
  return printed(resultOf('the run', answer));
}

/** Knative: environment, raw requests, how a result shapes the answer. */
export const knativeAnswerCases: readonly ConformanceCase[] = [
  action('C-KN-13', 'peer', 'strings of activation become __OW_ and the key in capitals', async (server) => {
    const activation = { conf_a: 'x y', conf_b: '' };
    equal('variables', values(await server.sh(show('__OW_CONF_A', '__OW_CONF_B'), { activation })), [
      'x y',
      '',
    ]);
  }),

  fresh('C-KN-13', 'peer', 'init.name is the default of action_name', async (context) => {
    const server = await context.start();
    const init = { code: printer('__OW_ACTION_NAME'), name: '/ns/named' };
    equal('variable', values(await send(server, { init, activation: {}, value: {} })), ['/ns/named']);
  }),

  action('C-KN-14', 'better', 'a run sees nothing of an earlier run’s activation', async (server) => {
    const first = { activation: { conf_secret: 's', namespace: 'n' } };
    const script = show('__OW_CONF_SECRET');
    equal('the first run', values(await server.sh(script, first)), ['s']);
    equal('the second run', values(await server.sh(script, { activation: {} })), [null]);
    const given = argumentsOf(await send(server, { activation: {}, value: {} }));
    equal('__ow_user', given.__ow_user, '');
  }),

  action('C-KN-14', 'better', 'numbers of activation arrive as text', async (server) => {
    const activation = { deadline: 1800000000000 };
    equal('variables', values(await server.sh(show('__OW_DEADLINE'), { activation })), ['1800000000000']);
  }),

  fresh(
    'C-KN-15',
    'better',
    'raw: __ow_body and __ow_query in place of the parameters, for every request',
    async (context) => {
      const server = await context.start();
      const value = { a: 1, b: 'ü' };
      for (const init of [{ init: { code: CODE, raw: true } }, {}]) {
        const body = JSON.stringify({ ...init, activation: {}, value });
        const given = argumentsOf(await server.post('/?x=1&y=%20', body));
        equal('__ow_query', given.__ow_query, 'x=1&y=%20');
        const text = Buffer.from(String(given.__ow_body), 'base64').toString('utf8');
        equal('__ow_body', JSON.parse(text), value);
        equal('parameters', [given.a, given.b], [undefined, undefined]);
      }
    },
  ),

  fresh(
    'C-KN-15',
    'better',
    'raw by __OW_ACTION_RAW: a text as value is passed as it is',
    async (context) => {
      const server = await context.start({ env: { __OW_ACTION_CODE: CODE, __OW_ACTION_RAW: 'true' } });
      const given = argumentsOf(await send(server, { activation: {}, value: 'the text' }));
      equal('__ow_body and __ow_query', [given.__ow_body, given.__ow_query], ['the text', '']);
    },
  ),

  action('C-KN-16', 'better', 'an array as value is passed without __ow_*', async (server) => {
    equal('arguments', argumentsOf(await send(server, { activation: {}, value: [1, 'a'] })), [1, 'a']);
  }),

  action('C-KN-17', 'peer', 'statusCode, headers and body shape the answer', async (server) => {
    const result = { statusCode: 201, headers: { 'X-Conformance': 'yes', 'X-Number': 5 }, body: { a: [1] } };
    const answer = await server.sh(answers(result), { activation: {} });
    equal('status', answer.status, 201);
    equal('headers', [answer.headers['x-conformance'], answer.headers['x-number']], ['yes', '5']);
    equal('body', jsonOf('the answer', answer), { a: [1] });
    equal('Content-Type', answer.headers['content-type'], 'application/json');
  }),

  action('C-KN-17', 'peer', 'a list repeats its header', async (server) => {
    const result = { headers: { 'Set-Cookie': ['a=1', 'b=2'] }, body: {} };
    const answer = await server.sh(answers(result), { activation: {} });
    equal('Set-Cookie', answer.headers['set-cookie'], ['a=1', 'b=2']);
  }),

  action('C-KN-17', 'peer', 'without body the rest of the result is the body', async (server) => {
    const answer = await server.sh(answers({ statusCode: 202, headers: {}, a: 1, b: 2 }), { activation: {} });
    equal('status', answer.status, 202);
    equal('body', jsonOf('the answer', answer), { a: 1, b: 2 });
  }),

  action('C-KN-17', 'peer', 'content-type in any case is the answer’s type', async (server) => {
    const result = { headers: { 'content-type': 'application/vnd.x+json' }, body: { a: 1 } };
    const answer = await server.sh(answers(result), { activation: {} });
    equal('Content-Type', answer.headers['content-type'], 'application/vnd.x+json');
  }),

  action('C-KN-17', 'peer', 'the status of a run without a result is its own', async (server) => {
    isError('the run', await server.sh(':', { activation: {} }), 502, M_RESULT);
  }),

  action('C-KN-18', 'peer', 'an image in base64 is answered as bytes', async (server) => {
    const image = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0, 0xff]);
    const result = { headers: { 'Content-Type': 'image/png' }, body: image.toString('base64') };
    const answer = await server.sh(answers(result), { activation: {} });
    equal('status', answer.status, 200);
    equal('Content-Type', answer.headers['content-type'], 'image/png');
    equal('Content-Transfer-Encoding', answer.headers['content-transfer-encoding'], 'binary');
    equal('bytes', answer.body.toString('hex'), image.toString('hex'));
  }),

  action('C-KN-18', 'peer', 'statusCode 200 with an empty body is a 204', async (server) => {
    const result = { statusCode: 200, headers: { 'Content-Type': 'image/png' }, body: '' };
    equal('status', (await server.sh(answers(result), { activation: {} })).status, 204);
  }),

  action('C-KN-19', 'better', 'a text as body is answered as it is, as text/html', async (server) => {
    const answer = await server.sh(answers({ body: '<p>ü</p>' }), { activation: {} });
    equal('body', answer.text, '<p>ü</p>');
    holds(
      'Content-Type',
      (answer.headers['content-type'] ?? '').startsWith('text/html'),
      'text/html',
      answer.headers['content-type'],
    );
  }),

  action('C-KN-19', 'better', 'a text as body has the type that the action names', async (server) => {
    const result = { headers: { 'Content-Type': 'text/plain' }, body: 'plain' };
    const answer = await server.sh(answers(result), { activation: {} });
    equal('body and type', [answer.text, answer.headers['content-type']], ['plain', 'text/plain']);
  }),

  action('C-KN-20', 'peer', 'CORS headers are added, also to the error of a run', async (server) => {
    for (const script of [answers({ a: 1 }), ':']) {
      const context = { activation: {} };
      const { headers } = await server.sh(script, context);
      equal('Access-Control-Allow-Origin', headers['access-control-allow-origin'], '*');
      equal('Access-Control-Allow-Methods', headers['access-control-allow-methods'], METHODS);
      equal('Access-Control-Allow-Headers', headers['access-control-allow-headers'], HEADERS);
      equal('Access-Control-Request-Headers', headers['access-control-request-headers'], undefined);
    }
  }),

  action('C-KN-20', 'peer', 'Access-Control-Request-Headers is echoed', async (server) => {
    const asked = { 'Access-Control-Request-Headers': 'X-One, X-Two' };
    const { headers } = await send(server, { activation: {}, value: {} }, asked);
    equal('Access-Control-Request-Headers', headers['access-control-request-headers'], 'X-One, X-Two');
  }),

  action('C-KN-20', 'peer', 'the action’s own CORS headers stay', async (server) => {
    const own = {
      'Access-Control-Allow-Origin': 'https://one',
      'Access-Control-Allow-Methods': 'GET',
      'Access-Control-Allow-Headers': 'X-One',
    };
    const { headers } = await server.sh(answers({ headers: own, body: {} }), { activation: {} });
    const got = Object.keys(own).map((name) => headers[name.toLowerCase()]);
    equal('headers', got, Object.values(own));
  }),

  action('C-KN-20', 'peer', 'a 404 for a body that is no object has none', async (server) => {
    const { headers } = await server.post('/', '[1]');
    equal('Access-Control-Allow-Origin', headers['access-control-allow-origin'], undefined);
  }),

  action('C-KN-21', 'peer', 'an array is answered as it is', async (server) => {
    const answer = await server.sh(answers([1, { statusCode: 201 }]), { activation: {} });
    equal('the run', resultOf('the run', answer), [1, { statusCode: 201 }]);
  }),

  logged('C-KN-21', 'peer', 'logs, then one sentinel on each stream', async (server) => {
    server.takeLogs();
    const answer = await server.sh('echo log; echo problem >&2; echo "{}"', { activation: {} });
    equal('status', answer.status, 200);
    const { stdout, stderr } = server.takeRunLogs();
    equal('stdout', stdout, 'log\n');
    // What the peer says of an init there is C-KN-07.
    holds('stderr', stderr.endsWith('problem\n'), 'problem, then the sentinel', stderr);
  }),
];
