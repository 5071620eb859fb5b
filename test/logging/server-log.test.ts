import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { archiveBody, script, textBody, zipOf } from '../support/archives.js';
import { logFile } from '../support/log-file.js';
import { RunServer } from '../support/run-server.js';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
/** Planted wherever a caller or an action can put something. */
const SECRET = 'pl4nted-s3cret';

/** Starts a server that logs everything to a file beside it. */
async function logging(env: Record<string, string> = {}): Promise<{ server: RunServer; file: string }> {
  const file = logFile();
  const server = await RunServer.start({
    engine: 'posix_spawn',
    env: { HYPERSKELETON_LOG_FILE: file, HYPERSKELETON_LOG_LEVEL: 'trace', ...env },
  });
  return { server, file };
}

function records(file: string): Record<string, unknown>[] {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe("the server's own log", () => {
  let server: RunServer;
  let file: string;

  beforeAll(async () => {
    ({ server, file } = await logging());
  });
  afterAll(() => server.stop());

  it('is structured, and names activation, trace and request', async () => {
    await server.install('#!/bin/sh\necho "{}"\n');
    const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01`, 'X-Request-Id': 'req-7' };
    await server.post('/run', '{"activation_id":"act-1"}', headers);
    const ids = { activationId: 'act-1', traceId: TRACE, requestId: 'req-7' };
    expect(records(file)).toContainEqual(expect.objectContaining({ level: 20, msg: 'run', ...ids }));
  });

  it('tells cause and fault of each failure', async () => {
    await server.install('#!/bin/sh\necho nothing\n');
    await server.run();
    await server.runBody('no JSON');
    await server.post('/init', '[]', { 'X-Request-Id': 'req-8' });
    expect(records(file)).toEqual(
      expect.arrayContaining([
        expect.objectContaining({
          level: 40,
          msg: 'run failed',
          code: 'run_invalid_result',
          fault: 'action',
        }),
        expect.objectContaining({ level: 40, msg: 'run failed', code: 'run_bad_json', fault: 'caller' }),
        expect.objectContaining({
          msg: 'init failed',
          code: 'init_not_object',
          fault: 'caller',
          requestId: 'req-8',
        }),
      ]),
    );
  });

  it('never has a parameter, a result, a variable, a secret or an api_key in it', async () => {
    const context = { api_key: SECRET, activation_id: 'act-2', namespace: SECRET, [`k_${SECRET}`]: SECRET };
    const exec = `echo ${SECRET}; echo ${SECRET} >&2; echo "{\\"token\\":\\"${SECRET}\\"}"`;
    const zip = zipOf([script('exec', exec)]);
    await server.post('/init', archiveBody(zip, { env: { TOKEN: SECRET }, name: SECRET }));
    await server.run({ password: SECRET }, context);
    await server.install(`#!/bin/sh\necho ${SECRET}\n`);
    await server.run({ password: SECRET }, context);
    await server.install(`#!/no/such/${SECRET}\n`);
    await server.run({ password: SECRET }, context);
    await server.runBody(`{"value":{"password":"${SECRET}"`);
    await server.runBody(`{"value":"${SECRET}"}`);
    await server.runBody(`{"value":{},"activation":"${SECRET}"}`);
    await server.post('/init', textBody(SECRET, { env: SECRET }));
    await server.post('/init', textBody(SECRET, { env: { TOKEN: SECRET } }));
    await server.post('/init', `{"value":{"code":"${SECRET}`);
    await server.get(`/${SECRET}`);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('"activationId":"act-2"');
    expect(text).not.toContain(SECRET);
  });

  it('survives a disk that is full', async () => {
    const { server: full } = await logging({ HYPERSKELETON_LOG_FILE: '/dev/full' });
    try {
      await full.install('#!/bin/sh\necho "{}"\n');
      for (let count = 0; count < 3; count++) expect((await full.run()).status).toBe(200);
    } finally {
      await full.stop();
    }
  });

  it('is written for people where that is asked for', async () => {
    const { server: pretty, file: log } = await logging({ HYPERSKELETON_LOG_FORMAT: 'pretty' });
    try {
      await pretty.runBody('no JSON');
      const clock = String.raw`\d\d:\d\d:\d\d\.\d{3}`;
      const text = readFileSync(log, 'utf8');
      expect(text).toMatch(new RegExp(`^${clock} INFO  serving port=${pretty.port} engine=posix_spawn`, 'm'));
      expect(text).toMatch(new RegExp(`^${clock} WARN  run failed .*code=run_bad_json fault=caller`, 'm'));
    } finally {
      await pretty.stop();
    }
  });
});
