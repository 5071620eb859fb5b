import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, ECHO, startActionLoopServer } from '../support/actionloop-server.js';
import { archiveBody, FILE, FOLDER, script, textBody, zipOf } from '../support/archives.js';
import { compileAction } from '../support/run-programs.js';
import { RunServer } from '../support/run-server.js';

const SCRIPT = '#!/bin/sh\necho "{}"\n';

describe('a file system that refuses chmod', () => {
  let server: RunServer;
  afterEach(() => server.stop());

  const launcher = async (): Promise<string> => `exec ${await compileAction('no-chmod')} "$@"`;

  it.each([
    ['text', textBody(SCRIPT)],
    ['a zip', archiveBody(zipOf([script('exec', SCRIPT), { name: 'lib/', mode: FOLDER | 0o755 }]))],
  ])('C-INIT-09: takes %s whose exec is executable without it', async (_what, body) => {
    server = await RunServer.start({ engine: 'posix_spawn', launcher: await launcher() });
    expect((await server.post('/init', body)).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('{}');
  });

  it('C-INIT-09: the log says that exec is not executable, if it is not', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', launcher: await launcher() });
    const answer = await server.post('/init', archiveBody(zipOf([script('exec', SCRIPT, FILE | 0o600)])));
    expect(answer.status).toBe(502);
    expect(server.takeRunLogs().stdout).toMatch(/exec is not executable \(mode 600\)/);
  });

  it('C-AL-02: takes an upload of ActionLoop', async () => {
    server = await startActionLoopServer({ engine: 'posix_spawn', launcher: await launcher() });
    const zip = zipOf([script('exec', ECHO)]);
    expect((await server.post('/init', actionLoopInit(zip))).status).toBe(200);
  });
});

const mounts = process.getuid?.() === 0;
describe.runIf(mounts)('an action folder on a file system that is mounted noexec', () => {
  it('C-INIT-28: the log of an init says so', async () => {
    const server = await RunServer.start({
      engine: 'posix_spawn',
      launcher: 'exec unshare -m sh -c \'mount -t tmpfs -o noexec tmpfs "$6" && exec "$@"\' sh "$@"',
    });
    try {
      expect((await server.post('/init', textBody(SCRIPT))).status).toBe(502);
      expect(server.takeRunLogs().stdout).toMatch(/exec lies on a file system that is mounted noexec/);
    } finally {
      await server.stop();
    }
  });
});
