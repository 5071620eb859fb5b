import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { logFile } from '../support/log-file.js';
import { RunServer } from '../support/run-server.js';

/** Planted wherever a caller or an action can put something. */
const SECRET = 'pl4nted-s3cret';

it.each([
  ['actionloop', { HYPERSKELETON_PROTOCOL: 'actionloop', OW_COMPILER: '/bin/false' }, '/readyz', '/run'],
  ['knative', { __OW_RUNTIME_PLATFORM: 'knative' }, '/_hyperskeleton/readyz', '/'],
])('the log of %s has no secret in it', async (_name, env, readiness, run) => {
  const file = logFile();
  const server = await RunServer.start({
    engine: 'posix_spawn',
    readiness,
    env: { ...env, HYPERSKELETON_LOG_FILE: file, HYPERSKELETON_LOG_LEVEL: 'trace' },
  });
  try {
    const init = { name: SECRET, code: `source ${SECRET}`, env: { TOKEN: SECRET } };
    await server.post('/init', JSON.stringify({ value: init }));
    await server.post(
      '/init',
      JSON.stringify({ value: { ...init, code: `#!/bin/sh\necho ${SECRET} >&3\n` } }),
    );
    await server.post(run, JSON.stringify({ init: { ...init, binary: SECRET } }));
    await server.install(
      `#!/bin/sh\necho '{"statusCode":"${SECRET}","headers":{"${SECRET}\\n":"${SECRET}"}}'\n`,
    );
    const body = { value: { password: SECRET }, activation: { api_key: SECRET }, api_key: SECRET };
    await server.post(run, JSON.stringify(body));
    await server.install(`#!/bin/sh\necho '{"headers":{"x-y":{"${SECRET}":1}},"body":"${SECRET}"}'\n`);
    await server.post(run, JSON.stringify(body));
    await server.post(run, `{"value":{"password":"${SECRET}"`);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('failed');
    expect(text).not.toContain(SECRET);
  } finally {
    await server.stop();
  }
});
