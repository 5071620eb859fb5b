import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileAction, readProbe, variablesOf } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { Gate } from '../support/waiting.js';

/** What the container of these tests has in its environment, besides PATH and TMPDIR. */
const CONTAINER = {
  __OW_API_HOST: 'https://api.example',
  GREETING: 'grüße = 1',
  EMPTY: '',
  HOME: '/nowhere',
};

/** Variables of an image that Node, npm or OpenTelemetry know, and those that look like them. */
const OF_THE_ACTION = {
  NODE_ENV: 'production',
  NODE_NO_WARNINGS: '1',
  NODE_PATH: '/opt/lib',
  NODE_NAME: 'worker-7',
  OTEL_SERVICE_NAME: 'my-action',
  OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:1',
  npm_config_cache: '/tmp/npm',
  NODEJS_HOME: 'kept',
  MY_NODE_ENV: 'kept',
  NPM_TOKEN: 'kept',
};

describe.each(ENGINES)('environment of a run (%s)', (engine) => {
  let server: RunServer;
  let probe: string;

  beforeAll(async () => {
    probe = await compileAction('probe');
    server = await RunServer.start({
      engine,
      env: {
        ...CONTAINER,
        HYPERSKELETON_LOG_LEVEL: 'info',
        HYPERSKELETON_ANYTHING: 'x',
        ...OF_THE_ACTION,
      },
    });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await server.installProgram(probe);
    server.takeLogs();
  });

  async function environmentOf(body: string): Promise<Map<string, string>> {
    const answer = await server.runBody(body);
    expect(answer.status, answer.body.toString()).toBe(200);
    const seen = readProbe(answer.body);
    const names = seen.environment.map((entry) => entry.toString().split('=', 1)[0]);
    expect(new Set(names).size, 'no variable twice').toBe(names.length);
    return variablesOf(seen);
  }

  /** The variables of the run's own, `__OW_*` but that of the container. */
  async function contextOf(body: string): Promise<Record<string, string>> {
    const all = await environmentOf(body);
    return Object.fromEntries(
      [...all].filter(([name]) => name.startsWith('__OW_') && name !== '__OW_API_HOST'),
    );
  }

  it('C-RUN-08: the container’s variables, and an __OW_ variable for each key of the body but value', async () => {
    const all = await environmentOf(
      '{"value":{"secret":1},"namespace":"ns","action_name":"/ns/pkg/name","action_version":"0.0.1",' +
        '"activation_id":"a1","transaction_id":"t1","deadline":"1700000000000","api_key":"u:p","Custom_key":"c"}',
    );
    expect(Object.fromEntries(all)).toEqual({
      ...CONTAINER,
      ...OF_THE_ACTION,
      PATH: process.env.PATH,
      TMPDIR: server.temporary,
      PWD: server.actionRoot,
      __OW_NAMESPACE: 'ns',
      __OW_ACTION_NAME: '/ns/pkg/name',
      __OW_ACTION_VERSION: '0.0.1',
      __OW_ACTIVATION_ID: 'a1',
      __OW_TRANSACTION_ID: 't1',
      __OW_DEADLINE: '1700000000000',
      __OW_API_KEY: 'u:p',
      __OW_CUSTOM_KEY: 'c',
    });
  });

  it('C-RUN-08: the server’s own settings do not reach the action', async () => {
    const names = [...(await environmentOf('{}')).keys()];
    expect(names.filter((name) => name.startsWith('HYPERSKELETON_'))).toEqual([]);
  });

  it('C-RUN-08: what npm adds where it has started the server does not reach the action', async () => {
    const byNpm = await RunServer.start({
      engine,
      env: { ...OF_THE_ACTION, npm_lifecycle_event: 'start', npm_package_name: 'x' },
    });
    try {
      await byNpm.installProgram(probe);
      const names = [...variablesOf(readProbe((await byNpm.runBody('{}')).body)).keys()];
      expect(names.filter((name) => name.startsWith('npm_'))).toEqual([]);
      expect(names).toContain('NODE_ENV');
    } finally {
      await byNpm.stop();
    }
  });

  it('C-RUN-08: values are strings as they are: empty, with quotes, line breaks, =, any character', async () => {
    const body =
      '{"empty":"","quoted":"\\"a\\"\\\\","lines":"a\\nb\\r\\n","equals":"=a=b=","raw":"é€😀","escaped":"\\u00e9\\ud83d\\ude00"}';
    expect(await contextOf(body)).toEqual({
      __OW_EMPTY: '',
      __OW_QUOTED: '"a"\\',
      __OW_LINES: 'a\nb\r\n',
      __OW_EQUALS: '=a=b=',
      __OW_RAW: 'é€😀',
      __OW_ESCAPED: 'é😀',
    });
  });

  it('C-RUN-08: keys are upper-cased as Unicode has it', async () => {
    expect(await contextOf('{"größe":"1","straße":"2","λ":"3","with-dash":"4","with blank":"5"}')).toEqual({
      __OW_GRÖSSE: '1',
      __OW_STRASSE: '2',
      __OW_Λ: '3',
      '__OW_WITH-DASH': '4',
      '__OW_WITH BLANK': '5',
    });
  });

  it('C-RUN-08: the last of duplicate keys counts, whatever their case', async () => {
    expect(await contextOf('{"namespace":"a","namespace":"b","Key":"c","KEY":"d"}')).toEqual({
      __OW_NAMESPACE: 'b',
      __OW_KEY: 'd',
    });
  });

  it('C-RUN-08: the run’s variables win over the container’s', async () => {
    const all = await environmentOf('{"api_host":"https://other.example"}');
    expect(all.get('__OW_API_HOST')).toBe('https://other.example');
  });

  it('C-RUN-09: the keys of activation are used instead of the body’s', async () => {
    const body =
      '{"namespace":"outer","value":{},"activation":{"namespace":"inner","value":"skipped","deadline":"5"}}';
    expect(await contextOf(body)).toEqual({ __OW_NAMESPACE: 'inner', __OW_DEADLINE: '5' });
  });

  it('C-RUN-09: an empty activation leaves no variable', async () => {
    expect(await contextOf('{"namespace":"outer","activation":{}}')).toEqual({});
  });

  it('C-RUN-09: activation null leaves none either', async () => {
    expect(await contextOf('{"namespace":"outer","activation":null}')).toEqual({});
  });

  it('C-RUN-09: value is the body’s, with an activation too', async () => {
    const answer = await server.runBody('{"activation":{"value":{"inner":1}},"value":{"outer":1}}');
    expect(readProbe(answer.body).stdin.toString()).toBe('{"outer":1}');
  });

  it.each([
    ['a number', '1700000000000', '1700000000000'],
    ['a number as written', '1.50', '1.50'],
    ['a large integer', '123456789012345678901', '123456789012345678901'],
    ['true', 'true', 'true'],
    ['false', 'false', 'false'],
    ['null', 'null', ''],
    ['an object', '{"a":[1,"é"]}', '{"a":[1,"é"]}'],
    ['an array', '[1,2]', '[1,2]'],
  ])('C-RUN-10: %s as a context value is its JSON text', async (_what, json, text) => {
    expect(await contextOf(`{"deadline":${json}}`)).toEqual({ __OW_DEADLINE: text });
    expect(await contextOf(`{"activation":{"deadline":${json}}}`)).toEqual({ __OW_DEADLINE: text });
  });

  it.each([
    ['a name with =', '{"a=b":"c"}', 'A=B'],
    ['a name with NUL', '{"a\\u0000b":"c"}', 'A'],
    ['a value with NUL', '{"name":"a\\u0000b"}', '__OW_NAME'],
    ['a name with = in activation', '{"activation":{"a=b":"c"}}', 'A=B'],
    ['a value with NUL in activation', '{"activation":{"name":"a\\u0000b"}}', '__OW_NAME'],
    ['activation a string', '{"activation":"a"}', 'activation'],
    ['activation a number', '{"activation":5}', 'activation'],
    ['activation an array', '{"activation":[]}', 'activation'],
    ['activation true', '{"activation":true}', 'activation'],
  ])('C-RUN-11: %s: 400 that names it, sentinels, nothing started', async (_what, body, named) => {
    await server.install('#!/bin/sh\n: > started\necho "{}"\n');
    const answer = await server.runBody(body);
    expect(answer.status).toBe(400);
    expect((JSON.parse(answer.body.toString()) as { error: string }).error).toContain(named);
    expect(answer.headers['x-hyperskeleton-error']).toBe('run_bad_context');
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
    expect(existsSync(join(server.actionRoot, 'started'))).toBe(false);
  });

  it('C-RUN-12: nothing of one run is left in the next', async () => {
    const before = await environmentOf('{}');
    await environmentOf(`{"api_key":"${'secret'.repeat(1000)}","namespace":"first","one":"1"}`);
    const second = await contextOf('{"namespace":"second"}');
    expect(second).toEqual({ __OW_NAMESPACE: 'second' });
    expect(await environmentOf('{}')).toEqual(before);
  });

  it('C-RUN-12: a container variable that one run overrides is back in the next', async () => {
    await environmentOf('{"api_host":"overridden"}');
    expect((await environmentOf('{}')).get('__OW_API_HOST')).toBe(CONTAINER.__OW_API_HOST);
  });

  it('C-RUN-12: runs at the same time see their own variables only', async () => {
    const gate = new Gate(server.actionRoot);
    await server.install(`#!/bin/sh\n${gate.wait}\nexec ${probe}\n`);
    const keys = Array.from({ length: 12 }, (_, at) => `only_${at}`);
    const answers = keys.map((key) => server.runBody(`{"${key}":"${key}"}`));
    await gate.arrivals(keys.length);
    gate.open();
    for (const [at, answer] of (await Promise.all(answers)).entries()) {
      const own = [...variablesOf(readProbe(answer.body))].filter(([name]) => name.startsWith('__OW_ONLY'));
      expect(own).toEqual([[`__OW_ONLY_${at}`, `only_${at}`]]);
    }
  });
});

describe.each(ENGINES)('variables of the container that no shell could name (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({
      engine,
      launcher: `exec env a.b=1 c-d=2 'BASH_FUNC_f%%=() { :; }' "$(printf 'X\\377')=1" "VALUE=$(printf '\\200\\201')" "$@"`,
    });
    await server.installProgram(await compileAction('probe'));
  });
  afterAll(() => server.stop());

  async function entriesOf(): Promise<string[]> {
    const { environment } = readProbe((await server.run()).body);
    return environment.map((entry) => entry.toString('latin1')).sort();
  }

  it('C-RUN-08: arrive as they are, and no others but PWD', async () => {
    for (let run = 0; run < 2; run++) {
      const seen = (await entriesOf()).filter((entry) => !/^(X|VALUE|PATH|PWD|TMPDIR)/.test(entry));
      expect(seen).toEqual(['BASH_FUNC_f%%=() { :; }', 'a.b=1', 'c-d=2']);
    }
  });

  // Node has no way to pass on other bytes (docs/internals/engines.md).
  it.runIf(engine !== 'child_process')('C-RUN-08: so do values that are not UTF-8', async () => {
    expect((await entriesOf()).filter((entry) => entry.startsWith('VALUE'))).toEqual(['VALUE=\x80\x81']);
  });

  it.runIf(engine !== 'child_process')('C-RUN-08: so do names that are not UTF-8', async () => {
    expect((await entriesOf()).filter((entry) => entry.startsWith('X'))).toEqual(['X\xff=1']);
  });
});

describe.each(ENGINES)('environment after an init with env (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({
      engine,
      env: { LEVEL: 'server', ONLY_SERVER: 's', __OW_LEVEL: 'server' },
    });
    const env = {
      LEVEL: 'init',
      ONLY_INIT: 'i',
      __OW_LEVEL: 'init',
      __OW_API_KEY: 'init',
      NODE_ENV: 'of the action',
      HYPERSKELETON_MINE: 'of the action',
    };
    const code = `#!/bin/sh\nexec ${await compileAction('probe')}\n`;
    const answer = await server.post('/init', JSON.stringify({ value: { code, env } }));
    expect(answer.status, answer.body.toString()).toBe(200);
  });
  afterAll(() => server.stop());

  async function variables(body: string): Promise<Map<string, string>> {
    return variablesOf(readProbe((await server.runBody(body)).body));
  }

  it('C-INIT-18: server’s environment < init env < the run’s __OW_*', async () => {
    const seen = await variables('{"level":"run"}');
    expect(seen.get('LEVEL')).toBe('init');
    expect(seen.get('ONLY_SERVER')).toBe('s');
    expect(seen.get('ONLY_INIT')).toBe('i');
    expect(seen.get('__OW_LEVEL')).toBe('run');
  });

  it('C-RUN-12: what a run overrides of the init’s env is back in the next', async () => {
    await variables('{"level":"run","api_key":"run"}');
    const next = await variables('{}');
    expect(next.get('__OW_LEVEL')).toBe('init');
    expect(next.get('__OW_API_KEY')).toBe('init');
  });

  it('C-RUN-08: only the server’s own settings are held back, not the action’s', async () => {
    const seen = await variables('{}');
    expect(seen.get('NODE_ENV')).toBe('of the action');
    expect(seen.get('HYPERSKELETON_MINE')).toBe('of the action');
  });
});
