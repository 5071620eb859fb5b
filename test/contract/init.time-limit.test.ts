import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, ECHO, startActionLoopServer } from '../support/actionloop-server.js';
import { archiveBody, type Entry, script, textBody, zipOf } from '../support/archives.js';
import { type Answer, RunServer, type ServerOptions } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';
import { isAlive, until } from '../support/waiting.js';

const HANG = fileURLToPath(new URL('../fixtures/hang-in-init.cjs', import.meta.url));
const LIMIT_MS = 1500;
const GO = '#!/bin/sh\necho \'{"after":1}\'\n';

let server: RunServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** What is too large to be unpacked where the init is. */
function large(): Buffer {
  const noise = Buffer.from(Array.from({ length: 300_000 }, (_, at) => (at * at) % 251));
  return zipOf([
    script('exec', 'echo "{}"'),
    { name: 'big', data: noise },
    { name: 'noise', data: noise, stored: true },
  ]);
}

function hanging(how: string, more: Record<string, string> = {}): Omit<ServerOptions, 'engine'> {
  return {
    env: {
      NODE_OPTIONS: `--require ${HANG}`,
      HANG: how,
      HYPERSKELETON_INIT_TIMEOUT_MS: String(LIMIT_MS),
      ...more,
    },
  };
}

function expectTimeout(answer: Answer): void {
  expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([504, 'init_timeout']);
  expect(JSON.parse(answer.body.toString())).toEqual({
    error: `The init exceeded its time limit of ${LIMIT_MS} milliseconds.`,
  });
}

describe.each(['loop', 'wait'])('an init whose archive makes its reader hang (%s)', (how) => {
  it('C-INIT-21, C-INIT-23: is ended, does not count, changes nothing, and holds nobody up', async () => {
    const running = await RunServer.start({ engine: 'posix_spawn', ...hanging(how) });
    server = running;
    const before = treeOf(running.actionRoot);
    const init = running.post('/init', archiveBody(large()));
    await until('it unpacks', () =>
      readdirSync(running.actionRoot).some((name) => name.startsWith('.hyper')),
    );
    const waiting = running.run();
    expect(await running.get('/healthz')).toBe(200);
    expectTimeout(await init);
    expect(treeOf(running.actionRoot)).toEqual(before);
    // What has waited for it gets the action that is there: the default action.
    expect((await waiting).body.toString()).toContain('stub');
    expect((await running.post('/init', textBody(GO))).status).toBe(200);
    expect((await running.run()).body.toString()).toBe('{"after":1}');
  });

  it('C-INIT-27: its log ends in sentinels, with the reason', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', ...hanging(how) });
    expectTimeout(await server.post('/init', archiveBody(large())));
    expect(server.takeRunLogs().stdout).toBe(
      `error: The init exceeded its time limit of ${LIMIT_MS} milliseconds.\n`,
    );
  });

  it('C-INIT-22: takes no activation of the action before with it', async () => {
    const running = await RunServer.start({
      engine: 'posix_spawn',
      ...hanging(how, { PROXY_ALLOW_REINIT: '1', HYPERSKELETON_THREADS: '1' }),
    });
    server = running;
    expect((await running.post('/init', textBody(`#!/bin/sh\nsleep 1\n${GO}`))).status).toBe(200);
    const init = running.post('/init', archiveBody(large()));
    const answers = await Promise.all([running.run(), running.run(), running.run()]);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expectTimeout(await init);
    expect((await running.run()).status).toBe(200);
  });

  it('C-SRV-11: is ended when the grace period of a shutdown is over', async () => {
    const grace = { HYPERSKELETON_GRACE_MS: '300', HYPERSKELETON_INIT_TIMEOUT_MS: '600000' };
    const running = await RunServer.start({ engine: 'posix_spawn', ...hanging(how, grace) });
    server = running;
    const init = running.post('/init', archiveBody(large()));
    await until('it unpacks', () =>
      readdirSync(running.actionRoot).some((name) => name.startsWith('.hyper')),
    );
    running.process.kill('SIGTERM');
    const [answer] = await Promise.all([init, once(running.process, 'exit')]);
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([500, 'init_shutdown_killed']);
    expect(readdirSync(running.actionRoot)).toEqual(['exec']);
  });

  it('C-AL-04, C-INIT-23: ActionLoop, with a tar.gz: the same', async () => {
    const running = await startActionLoopServer({ engine: 'posix_spawn', ...hanging(how) });
    server = running;
    expectTimeout(await running.post('/init', actionLoopInit(gzipSync(Buffer.alloc(10_240)))));
    expect(readdirSync(running.actionRoot)).toEqual([]);
    expect((await running.post('/init', actionLoopInit(ECHO))).status).toBe(200);
    expect((await running.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
  });

  it('C-KN-04: Knative: the same', async () => {
    const options = hanging(how, { __OW_RUNTIME_PLATFORM: 'knative' });
    const running = await RunServer.start({
      ...{ engine: 'posix_spawn', readiness: '/_hyperskeleton/readyz' },
      ...options,
    });
    server = running;
    const init = (value: string): string => `{"init":${value}}`;
    const valueIn = (body: string): string => JSON.stringify((JSON.parse(body) as { value: object }).value);
    expectTimeout(await running.post('/', init(valueIn(archiveBody(large())))));
    expect((await running.post('/', init(valueIn(textBody(GO))))).status).toBe(200);
    expect((await running.post('/', '{"value":{}}')).body.toString()).toBe('{"after":1}');
  });
});

describe('an init that takes too long without hanging', () => {
  it('C-INIT-21: a small archive, entry by entry', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', ...hanging('slow') });
    const entries: Entry[] = Array.from({ length: 300 }, (_, at) => ({
      name: `e${at}`,
      data: 'x'.repeat(50),
    }));
    const before = treeOf(server.actionRoot);
    expectTimeout(await server.post('/init', archiveBody(zipOf(entries))));
    expect(treeOf(server.actionRoot)).toEqual(before);
  });

  it('C-AL-02: a compiler whose children hold its output open is ended with them', async () => {
    const options = hanging('wait');
    server = await startActionLoopServer({
      engine: 'posix_spawn',
      launcher: 'OW_COMPILER="$TMPDIR/compiler"; export OW_COMPILER; exec "$@"',
      ...options,
    });
    const pids = join(server.folder, 'pids');
    const compiler = join(server.temporary, 'compiler');
    await writeFile(compiler, `#!/bin/sh\nsleep 1000 &\necho $$ $! >'${pids}'\nsleep 1000\n`);
    await chmod(compiler, 0o755);
    expectTimeout(await server.post('/init', actionLoopInit('source text')));
    const [shell, child] = readFileSync(pids, 'utf8').trim().split(' ').map(Number) as [number, number];
    await until('they are gone', () => !isAlive(shell) && !isAlive(child));
    expect(readdirSync(server.actionRoot)).toEqual([]);
  });
});
