import { request } from 'node:http';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { script, zipOf } from '../support/archives.js';
import { compileAction, type Probe, readProbe, variablesOf } from '../support/run-programs.js';
import { type Answer, RunServer, SENTINEL } from '../support/run-server.js';

const TWICE = 'Cannot initialize the action more than once.';
const ENGINE = 'posix_spawn';
const SENTINELS = `${SENTINEL}\n`;

let server: RunServer;
const start = async (env: Record<string, string> = {}): Promise<void> => {
  server = await RunServer.start({
    engine: ENGINE,
    readiness: '/_hyperskeleton/readyz',
    env: { __OW_RUNTIME_PLATFORM: 'KNative', ...env },
  });
};
afterEach(() => server.stop());

const post = (body: unknown, headers: Record<string, string> = {}, path = '/'): Promise<Answer> =>
  server.post(path, typeof body === 'string' ? body : JSON.stringify(body), headers);

function send(method: string, path = '/', headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { host: '127.0.0.1', port: server.port, method, path, headers, agent: false },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
          }),
        );
      },
    );
    outgoing.once('error', reject);
    outgoing.end();
  });
}

const json = (answer: Answer): unknown => JSON.parse(answer.body.toString());
/** Answers its arguments. */
const ECHO = '#!/bin/sh\ncat\n';
const answering = (result: unknown): string => `#!/bin/sh\ncat <<'END'\n${JSON.stringify(result)}\nEND\n`;

describe('routes', () => {
  it('C-KN-01: / takes POST, and /init and /run are unknown', async () => {
    await start();
    expect((await post({})).status).toBe(200);
    expect((await post({}, {}, '/init')).status).toBe(404);
    expect((await post({}, {}, '/run')).status).toBe(404);
    const get = await send('GET');
    expect([get.status, get.headers.allow]).toEqual([405, 'POST, OPTIONS']);
  });

  it('C-KN-01, C-KN-02: the methods come from __OW_HTTP_METHODS, in any case and with blanks', async () => {
    await start({ __OW_HTTP_METHODS: '[get, Put,TEAPOT]' });
    expect(server.takeLogs().stderr.toString()).toBe(
      "Environment variable '__OW_HTTP_METHODS' has an unrecognised value (TEAPOT).\n",
    );
    expect((await send('GET')).status).toBe(200);
    expect((await send('PUT')).status).toBe(200);
    expect((await send('POST')).status).toBe(405);
  });

  it('C-KN-01: OPTIONS that is not listed runs nothing, and GET implies HEAD', async () => {
    await start({ __OW_HTTP_METHODS: '[GET]' });
    await server.install(`#!/bin/sh\n: > ran\necho '{"body":"text"}'\n`);
    const options = await send('OPTIONS');
    expect([options.status, options.headers.allow]).toEqual([200, 'GET, HEAD, OPTIONS']);
    expect(server.takeLogs().stdout.length).toBe(0);
    const head = await send('HEAD');
    expect([head.status, head.body.length, head.headers['content-type']]).toEqual([200, 0, 'text/html']);
  });

  it('C-KN-01: OPTIONS that is listed runs the action', async () => {
    await start({ __OW_HTTP_METHODS: '[OPTIONS]' });
    await server.install(answering({ body: { ran: true } }));
    expect(json(await send('OPTIONS'))).toEqual({ ran: true });
  });

  it.each(['', 'GET', '[]'])('C-KN-02: %j for the methods means POST', async (methods) => {
    await start({ __OW_HTTP_METHODS: methods });
    expect((await post({})).status).toBe(200);
    expect((await send('GET')).status).toBe(405);
  });

  it('C-KN-01: the public port has no metrics; the other pages are below /_hyperskeleton/', async () => {
    await start();
    expect(await server.get('/metrics')).toBe(404);
    expect(await server.get('/healthz')).toBe(404);
    expect(await server.get('/_hyperskeleton/healthz')).toBe(200);
  });
});

describe('init and run', () => {
  it('C-KN-10: without an init the default action runs', async () => {
    await start();
    const answer = await post({ value: { a: 1 } });
    expect(json(answer)).toEqual({ error: 'This is a stub action. Replace it with custom logic.' });
  });

  it('C-KN-05: an init alone is OK and runs nothing; repeated it is refused and logged', async () => {
    await start();
    const init = { init: { code: '#!/bin/sh\n: > ran\necho "{}"\n' } };
    const answer = await post(init);
    expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
    expect(server.takeLogs().stdout.length).toBe(0);
    const again = await post(init);
    expect([again.status, json(again)]).toEqual([403, { error: TWICE }]);
    expect(server.takeLogs().stderr.toString()).toBe(`${TWICE}\n`);
  });

  it('C-KN-04: init, activation and value in one request; parameters named like fields are kept', async () => {
    await start();
    const value = { code: 1, main: 2, binary: 3, raw: 4, actionName: 5 };
    const answer = await post({ init: { code: ECHO, name: 'x' }, activation: { namespace: 'n' }, value });
    expect(json(answer)).toMatchObject(value);
    expect(json(answer)).not.toHaveProperty('init');
  });

  it('C-KN-04: the init may be a zip, also a large one', async () => {
    await start();
    const zip = zipOf([
      script('exec', 'cat data'),
      { name: 'data', data: '{"from":"zip"}' },
      { name: 'pad', data: Buffer.alloc(300_000, Math.random() * 255), stored: true },
    ]);
    const answer = await post({ init: { code: zip.toString('base64'), binary: true }, value: {} });
    expect(json(answer)).toEqual({ from: 'zip' });
  });

  it('C-KN-06: an init that comes again with a run is logged, and the first action runs', async () => {
    await start();
    await post({ init: { code: answering({ first: 1 }) } });
    server.takeLogs();
    const answer = await post({ init: { code: answering({ second: 1 }) }, activation: {}, value: {} });
    expect(json(answer)).toEqual({ first: 1 });
    expect(server.takeLogs().stderr.toString()).toBe(`${TWICE}\n${SENTINELS}`);
  });

  it('C-KN-07: runs after an init log nothing of it', async () => {
    await start();
    await post({ init: { code: answering({}) } });
    await post({ activation: {}, value: {} });
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it.each([
    ['alone', {}],
    ['with a run', { activation: {}, value: {} }],
  ])('C-KN-08: the error of an init %s is the answer', async (_what, more) => {
    await start();
    const answer = await post({ init: { code: 'bm8gemlw', binary: true }, ...more });
    expect(answer.status).toBe(502);
    expect(JSON.stringify(json(answer))).toMatch(/archive/);
    expect((await post({ init: { code: answering({ later: 1 }) }, value: {} })).body.toString()).toBe(
      '{"later":1}',
    );
  });

  it('C-KN-09: a dedicated server initialises itself at the first request', async () => {
    const zip = zipOf([script('exec', 'cat')]).toString('base64');
    await start({ __OW_ACTION_CODE: zip, __OW_ACTION_BINARY: 'TRUE', __OW_ACTION_NAME: 'dedicated' });
    const [one, two] = await Promise.all([post({ value: { n: 1 } }), post({ value: { n: 2 } })]);
    expect([json(one as Answer), json(two as Answer)]).toEqual([{ n: 1 }, { n: 2 }]);
    expect(server.takeLogs().stderr.toString()).toBe(SENTINELS.repeat(2));
    const init = await post({ init: { code: ECHO } });
    expect([init.status, json(init)]).toEqual([
      404,
      { error: 'Cannot initialize a runtime with a dedicated function.' },
    ]); // knative_dedicated
    expect(init.headers['access-control-allow-origin']).toBeUndefined();
  });

  it('C-KN-09: the error of its init is the answer', async () => {
    await start({ __OW_ACTION_CODE: 'bm8gemlw', __OW_ACTION_BINARY: 'true' });
    expect((await post({ value: {} })).status).toBe(502);
  });

  it.each(['binary', 'raw'])('C-KN-11: %s that is no boolean is a 404', async (key) => {
    await start();
    const answer = await post({ init: { code: ECHO, [key]: 'true' } }); // knative_bad_init
    expect([answer.status, json(answer)]).toEqual([
      404,
      {
        error: `Unable to process Initialization data: Invalid Init. data; expected boolean for key '${key}'.`,
      },
    ]);
    expect(server.takeLogs().stdout.length).toBe(0);
  });

  it('C-KN-03: none, and what is no JSON, counts as {}', async () => {
    await start();
    await server.install(ECHO);
    for (const body of ['', 'no JSON', 'null', '{}']) expect(json(await post(body)), body).toEqual({});
  });

  it.each(['[1]', '5', '"x"'])('C-KN-03: %s for a body is a 404 without sentinels', async (body) => {
    await start();
    const answer = await post(body); // knative_not_object
    expect([answer.status, json(answer)]).toEqual([
      404,
      { error: 'The action did not receive a dictionary as an argument.' },
    ]);
    expect(server.takeLogs().stdout.length).toBe(0);
  });
});

describe('arguments and environment', () => {
  let probe: string;
  beforeAll(async () => {
    probe = await compileAction('probe');
  });
  const probed = async (body: unknown, headers: Record<string, string> = {}, path = '/'): Promise<Probe> => {
    await server.installProgram(probe);
    return readProbe((await post(body, headers, path)).body);
  };
  const argument = async (body: unknown, headers = {}, path = '/'): Promise<unknown> =>
    JSON.parse((await probed(body, headers, path)).stdin.toString()) as unknown;

  it('C-KN-12: with activation and value the action gets to know of the request', async () => {
    await start({ __OW_NAMESPACE: 'guest' });
    const seen = (await argument(
      { activation: {}, value: { a: 1, __ow_path: 'x' } },
      { 'X-Custom-One': 'y' },
    )) as Record<string, unknown>;
    expect(seen).toMatchObject({ a: 1, __ow_method: 'POST', __ow_path: '', __ow_user: 'guest' });
    expect(seen.__ow_headers).toMatchObject({ 'X-Custom-One': 'y', 'Content-Type': 'application/json' });
  });

  it('C-KN-12: the namespace is empty where none is set, and nothing is added without activation or value', async () => {
    await start();
    expect(await argument({ activation: {}, value: {} })).toMatchObject({ __ow_user: '' });
    expect(await argument({ value: { a: 1 } })).toEqual({ a: 1 });
    expect(await argument({ activation: {} })).toEqual({});
  });

  it('C-KN-13: activation makes the variables, and init.name the default of the action name', async () => {
    await start();
    await post({ init: { name: 'named' } });
    const seen = variablesOf(await probed({ activation: { namespace: 'n', Activation_id: 'i' }, value: {} }));
    expect(seen.get('__OW_NAMESPACE')).toBe('n');
    expect(seen.get('__OW_ACTIVATION_ID')).toBe('i');
    expect(seen.get('__OW_ACTION_NAME')).toBe('named');
    const own = variablesOf(await probed({ activation: { action_name: 'own' }, value: {} }));
    expect(own.get('__OW_ACTION_NAME')).toBe('own');
  });

  it('C-KN-14: they end with their request; what is no string is its JSON text', async () => {
    await start();
    const one = variablesOf(
      await probed({ activation: { namespace: 'n', deadline: 5, nothing: null }, value: {} }),
    );
    expect([one.get('__OW_DEADLINE'), one.get('__OW_NOTHING')]).toEqual(['5', '']);
    const two = await probed({ activation: {}, value: {} });
    expect(variablesOf(two).has('__OW_NAMESPACE')).toBe(false);
    expect(JSON.parse(two.stdin.toString())).toMatchObject({ __ow_user: '' });
  });

  it('C-KN-15: raw actions get body and query as text, at every request', async () => {
    await start();
    await post({ init: { raw: true } });
    for (let run = 0; run < 2; run++) {
      const seen = (await argument('{"activation":{},"value":{"a": 1}}', {}, '/?x=1&y=%20')) as Record<
        string,
        unknown
      >;
      expect(Buffer.from(seen.__ow_body as string, 'base64').toString()).toBe('{"a": 1}');
      expect(seen.__ow_query).toBe('x=1&y=%20');
      expect(seen).not.toHaveProperty('a');
    }
    expect(await argument({ activation: {}, value: 'as it is' })).toMatchObject({
      __ow_body: 'as it is',
      __ow_query: '',
    });
  });

  it('C-KN-15: also where the environment says so', async () => {
    await start({ __OW_ACTION_CODE: ECHO, __OW_ACTION_RAW: 'True' });
    const seen = json(await post({ activation: {}, value: { a: 1 } }));
    expect(seen).toMatchObject({ __ow_body: Buffer.from('{"a":1}').toString('base64'), __ow_query: '' });
  });

  it('C-KN-16: an array is the arguments, and nothing is added', async () => {
    await start();
    expect(await argument({ activation: {}, value: [1, 2] })).toEqual([1, 2]);
  });

  it('C-RUN-02: another value is a 404 with sentinels, and CORS headers', async () => {
    await start();
    const answer = await post({ activation: {}, value: 5 });
    expect(answer.status).toBe(404);
    expect(answer.headers['access-control-allow-origin']).toBe('*');
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it('the trace context reaches the action', async () => {
    await start();
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const seen = variablesOf(await probed({ activation: {}, value: {} }, { traceparent }));
    expect([seen.get('TRACEPARENT'), seen.get('__OW_TRACEPARENT')]).toEqual([traceparent, traceparent]);
  });
});

describe('answers', () => {
  const shaped = async (result: unknown, headers: Record<string, string> = {}): Promise<Answer> => {
    await start();
    await server.install(typeof result === 'string' ? result : answering(result));
    return post({ value: {} }, headers);
  };

  it('C-KN-17: status, headers and body come from the result', async () => {
    const answer = await shaped({
      statusCode: 201,
      headers: { 'X-Number': 5, 'Set-Cookie': ['a=1', 'b=2'], 'content-type': 'text/plain' },
      body: { a: 1 },
      other: 2,
    });
    expect([answer.status, answer.body.toString()]).toEqual([201, '{"a":1}']);
    expect(answer.headers['x-number']).toBe('5');
    expect(answer.headers['set-cookie']).toEqual(['a=1', 'b=2']);
    expect(answer.headers['content-type']).toBe('text/plain');
  });

  it('C-KN-17: without a body it is the rest of the result, as JSON', async () => {
    const answer = await shaped({ statusCode: 202, a: 1.5, b: [1] });
    expect([answer.status, answer.body.toString()]).toEqual([202, '{"a":1.5,"b":[1]}']);
    expect(answer.headers['content-type']).toBe('application/json');
  });

  it('C-KN-17: what shapes nothing is answered byte for byte', async () => {
    const answer = await shaped('#!/bin/sh\necho \'{"a":1.50,  "b":1e400}\'\n');
    expect(answer.body.toString()).toBe('{"a":1.50,  "b":1e400}');
  });

  it('C-KN-17: a failed run keeps its status', async () => {
    const answer = await shaped('#!/bin/sh\necho nothing\n');
    expect([answer.status, json(answer)]).toEqual([
      502,
      { error: 'The action did not return a dictionary or array.' },
    ]);
    expect(answer.headers['access-control-allow-methods']).toContain('PATCH');
  });

  it('C-KN-18: an image comes in base64 and goes out as bytes', async () => {
    const bytes = Buffer.from([0x89, 0x50, 0xff, 0x00]);
    const answer = await shaped({ headers: { 'Content-Type': 'image/png' }, body: bytes.toString('base64') });
    expect(answer.body.equals(bytes)).toBe(true);
    expect(answer.headers['content-type']).toBe('image/png');
    expect(answer.headers['content-transfer-encoding']).toBe('binary');
  });

  it('C-KN-18: 200 with nothing in it is a 204', async () => {
    const answer = await shaped({ statusCode: 200, body: '' });
    expect([answer.status, answer.body.length]).toEqual([204, 0]);
  });

  it('C-KN-19: a string is the text itself, text/html unless the action says so', async () => {
    const answer = await shaped({ body: '<p>ä</p>' });
    expect(answer.body.toString()).toBe('<p>ä</p>');
    expect(answer.headers['content-type']).toBe('text/html');
  });

  it('C-KN-20: CORS headers are added, but those the action set', async () => {
    const answer = await shaped(
      { headers: { 'access-control-allow-origin': 'https://a' }, body: {} },
      { 'Access-Control-Request-Headers': 'X-One' },
    );
    expect(answer.headers['access-control-allow-origin']).toBe('https://a');
    expect(answer.headers['access-control-allow-methods']).toBe(
      'OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH',
    );
    expect(answer.headers['access-control-allow-headers']).toBe(
      'Authorization, Origin, X - Requested - With, Content - Type, Accept, User - Agent',
    );
    expect(answer.headers['access-control-request-headers']).toBe('X-One');
  });

  it('C-KN-21: an array is answered as it is, with sentinels in the logs', async () => {
    const answer = await shaped([1, { statusCode: 201 }]);
    expect([answer.status, answer.body.toString()]).toEqual([200, '[1,{"statusCode":201}]']);
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it.each([
    ['a status that is none', { statusCode: 99 }],
    ['a status that is text', { statusCode: 'fine' }],
    ['headers that are none', { headers: [] }],
    ['a header name that is none', { headers: { 'a b': 1 } }],
    ['a line break in a header', { headers: { a: 'b\r\nc: d' } }],
    ['an image that is no base64', { headers: { 'Content-Type': 'image/png' }, body: '%' }],
  ])('C-KN-17: %s is a 502 that says so', async (_what, result) => {
    const answer = await shaped(result); // knative_bad_response
    expect(answer.status).toBe(502);
    expect(JSON.stringify(json(answer))).toMatch(/can't be made an HTTP answer/);
  });
});

describe('the platform', () => {
  it('C-KN-01: Knative mode and ActionLoop contradict each other', async () => {
    const { execFileSync } = await import('node:child_process');
    await start();
    const run = (): unknown =>
      execFileSync('bin/hyperskeleton', ['serve', '--protocol', 'actionloop'], {
        env: { PATH: process.env.PATH, __OW_RUNTIME_PLATFORM: 'knative' },
        stdio: 'pipe',
      });
    expect(run).toThrow(/Knative mode goes with the classic protocol only/);
  });

  it('C-KN-01: another platform is told on stderr, and /init and /run are served', async () => {
    server = await RunServer.start({ engine: ENGINE, env: { __OW_RUNTIME_PLATFORM: 'LAMBDA' } });
    expect(server.takeLogs().stderr.toString()).toBe(
      'Invalid __OW_RUNTIME_PLATFORM lambda! Valid Platforms are openwhisk and knative. Defaulting to openwhisk.\n',
    );
    expect((await server.run()).status).toBe(200);
  });
});
