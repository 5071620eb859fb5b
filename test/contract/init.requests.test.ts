import { chmodSync, readFileSync, rmSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { script, textBody, zipOf } from '../support/archives.js';
import { type Answer, RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';

const M_TWICE = 'Cannot initialize the action more than once.';
const M_INIT = 'The action failed to generate or locate a binary. See logs for details.';
const M_STUB = 'This is a stub action. Replace it with custom logic.';
const OK_ACTION = '#!/bin/sh\necho \'{"from":"init"}\'\n';

describe('POST /init', () => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({ engine: 'posix_spawn' });
  });
  afterEach(() => server.stop());

  function init(body: string | Uint8Array): Promise<Answer> {
    return server.post('/init', body);
  }

  async function expectServes(result: unknown): Promise<void> {
    const answer = await server.run();
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([200, result]);
  }

  /** The answer of a refused init, whose action stays what it was; it does not count as an init. */
  async function expectRefused(
    body: string | Uint8Array,
    status: number,
    code: string | undefined,
  ): Promise<string> {
    const before = treeOf(server.actionRoot);
    const answer = await init(body);
    expect(answer.status, answer.body.toString()).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['x-hyperskeleton-error']).toBe(code);
    expect(treeOf(server.actionRoot)).toEqual(before);
    const logs = status >= 500 ? server.takeRunLogs() : server.takeLogs();
    expect(logs.stderr.toString()).toBe('');
    if (status < 500) expect(logs.stdout.toString()).toBe('');
    const { error } = JSON.parse(answer.body.toString()) as { error: string };
    if (status >= 500) expect(logs.stdout.toString()).not.toBe('');
    expect((await init(textBody(OK_ACTION))).status).toBe(200);
    return error;
  }

  it('C-INIT-01: answers 200 OK and logs nothing', async () => {
    const answer = await init(textBody(OK_ACTION));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
    expect(answer.headers['content-type']).toBe('text/html; charset=utf-8');
    expect(answer.headers['content-length']).toBe('2');
    expect(server.takeLogs()).toEqual({ stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) });
    await expectServes({ from: 'init' });
  });

  it.each(['', '{}', '{"value":{}}', '{"value":{"code":null}}', '{"value":{"binary":true}}'])(
    'C-INIT-02, C-INIT-03: %s writes nothing, is answered 200, and counts as the one init',
    async (body) => {
      const before = treeOf(server.actionRoot);
      expect((await init(body)).status).toBe(200);
      expect(treeOf(server.actionRoot)).toEqual(before);
      expect((await init(textBody(OK_ACTION))).status).toBe(403);
      await expectServes({ error: M_STUB });
    },
  );

  it.each(['{}', '{"value":{"code":null}}'])(
    'C-INIT-02: %s without an executable exec is a 502 (init_no_exec)',
    async (body) => {
      chmodSync(server.exec, 0o644);
      const answer = await init(body);
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([502, { error: M_INIT }]);
      expect(answer.headers['x-hyperskeleton-error']).toBeUndefined();
      server.takeRunLogs();
      rmSync(server.exec);
      expect((await init(body)).status).toBe(502);
      // C-INIT-21: a failed init does not count.
      expect((await init(textBody(OK_ACTION))).status).toBe(200);
    },
  );

  it('C-INIT-04: the file keeps its mode, text is UTF-8 of any length, also none', async () => {
    chmodSync(server.exec, 0o711);
    const code = `#!/bin/sh\n# ${'é𝒳'.repeat(200_000)}\necho '{}'\n`;
    expect((await init(textBody(code, { binary: false }))).status).toBe(200);
    expect(readFileSync(server.exec, 'utf8')).toBe(code);
    expect(statSync(server.exec).mode & 0o777).toBe(0o711);
  });

  it('C-INIT-04: empty code is taken, and can not be started', async () => {
    expect((await init(textBody(''))).status).toBe(200);
    expect(statSync(server.exec).size).toBe(0);
    expect((await server.run()).status).toBe(502);
  });

  it('C-INIT-05: exec written by an init is executable, also where there was none', async () => {
    rmSync(server.exec);
    expect((await init(textBody(OK_ACTION))).status).toBe(200);
    expect(statSync(server.exec).mode & 0o777).toBe(0o755);
    await expectServes({ from: 'init' });
  });

  it.each([
    ['base64 with a foreign character', textArchive('QUJ$')],
    ['base64 of a wrong length', textArchive('QUJDR')],
    ['the URL-safe alphabet', textArchive('QUJ-_w==')],
  ])(
    'C-INIT-13, C-INIT-15, C-INIT-27, C-INIT-28: %s is refused, told why (init_bad_base64)',
    async (_what, body) => {
      expect(await expectRefused(body, 502, undefined)).toMatch(/^The action's code is not valid base64: /);
      await expectServes({ from: 'init' });
    },
  );

  it('C-INIT-14: base64 may contain white space and line breaks', async () => {
    const code = zipOf([script('exec', 'echo \'{"from":"init"}\'')]).toString('base64');
    const wrapped = ` ${code.replace(/.{1,60}/g, '$&\n\t')}`;
    expect((await init(JSON.stringify({ value: { binary: true, code: wrapped } }))).status).toBe(200);
    await expectServes({ from: 'init' });
  });

  it.each([
    ['binary', '"false"'],
    ['binary', '1'],
    ['code', '5'],
    ['code', '["#!/bin/sh"]'],
    ['env', '[]'],
    ['env', '"A=b"'],
  ])('C-INIT-16: %s of a wrong type (%s) is a 400', async (field, text) => {
    const error = await expectRefused(`{"value":{"${field}":${text}}}`, 400, 'init_bad_field');
    expect(error).toContain(`"${field}"`);
  });

  it('C-INIT-16: binary true with empty code is a 400', async () => {
    await expectRefused('{"value":{"binary":true,"code":""}}', 400, 'init_bad_field');
  });

  it('C-INIT-17: main, name and unknown fields are ignored', async () => {
    expect((await init(textBody(OK_ACTION, { main: 5, name: null, other: [1] }))).status).toBe(200);
    await expectServes({ from: 'init' });
  });

  it.each([
    ['{"":"x"}', 'empty name'],
    ['{"A=B":"x"}', 'A=B'],
    ['{"A\\u0000":"x"}', 'A\\u0000'],
    ['{"NUL_VALUE":"a\\u0000b"}', 'NUL_VALUE'],
  ])('C-INIT-19: env %s is refused with an error that names it', async (env, named) => {
    expect(await expectRefused(`{"value":{"env":${env}}}`, 400, 'init_bad_env')).toContain(named);
  });

  it('C-INIT-20: a second init is refused, the first action stays', async () => {
    expect((await init(textBody(OK_ACTION))).status).toBe(200);
    // Told before its body is parsed: one that is not JSON gets the same answer (C-INIT-20).
    for (const body of [textBody('#!/bin/sh\necho "{}"'), 'no JSON', '{}']) {
      const answer = await init(body);
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([403, { error: M_TWICE }]);
      expect(answer.headers['x-hyperskeleton-error']).toBe('init_twice');
      expect(server.takeLogs()).toEqual({ stdout: Buffer.alloc(0), stderr: Buffer.from(`${M_TWICE}\n`) });
    }
    await expectServes({ from: 'init' });
  });

  it('C-INIT-20: of many inits at once exactly one succeeds', async () => {
    const answers = await Promise.all(Array.from({ length: 8 }, () => init(textBody(OK_ACTION))));
    expect(answers.map(({ status }) => status).sort()).toEqual([
      200,
      ...Array.from({ length: 7 }, () => 403),
    ]);
  });

  it.each(['null', '5', '"text"', '[]', '{"value":null}', '{"value":[]}', '{"value":"x"}'])(
    'C-INIT-24, C-INIT-25: %s is a 404 in JSON',
    async (body) => {
      await expectRefused(body, 404, 'init_not_object');
    },
  );

  it.each([
    ['no JSON', 'no JSON'],
    ['NaN', '{"value":{"code":NaN}}'],
    ['trailing text', '{"value":{}} x'],
    ['half a document', '{"value":{'],
    ['invalid UTF-8', Buffer.from('7b2276616c7565223a7b22636f6465223a22ff227d7d', 'hex')],
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le')],
  ])('C-INIT-26: %s is a 400', async (_what, body) => {
    expect(await expectRefused(body, 400, 'init_bad_json')).toContain('not valid JSON');
  });

  it('C-RUN-03: a UTF-8 byte order mark is accepted', async () => {
    expect((await init(`\ufeff${textBody(OK_ACTION)}`)).status).toBe(200);
    await expectServes({ from: 'init' });
  });
});

function textArchive(code: string): string {
  return JSON.stringify({ value: { binary: true, code } });
}
