import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { archiveBody, script, zipOf } from '../support/archives.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { Gate, settledDescriptors, until } from '../support/waiting.js';

let server: RunServer | undefined;

async function start(env: Record<string, string> = {}, flags: string[] = []): Promise<RunServer> {
  server = await RunServer.start({ engine: 'posix_spawn', env, flags });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

describe('sizes', () => {
  it.each(['/run', '/init'])(
    'C-SRV-09: a body over the limit of %s is a 413 in JSON, and nothing is begun',
    async (path) => {
      const running = await start({ HYPERSKELETON_MAX_BODY_BYTES: '1000' });
      const body = `{"value":{"x":"${'y'.repeat(2000)}"}}`;
      const answer = await running.post(path, body);
      expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([413, 'body_too_large']);
      expect(JSON.parse(answer.body.toString())).toEqual({
        error: 'The request body is larger than 1000 bytes.',
      });
      // In chunks its size is known only as it comes.
      const chunked = await fetch(`http://127.0.0.1:${running.port}${path}`, {
        method: 'POST',
        body: new Blob([body]).stream(),
        duplex: 'half',
      } as RequestInit);
      expect(chunked.status).toBe(413);
      expect(running.takeLogs().stdout.length).toBe(0);
      expect((await running.run()).status).toBe(200);
    },
  );

  it('C-SRV-09: a 48 MB zip in base64 is taken', async () => {
    const running = await start();
    const zip = zipOf([
      script('exec', 'wc -c <data | { read n; echo "{\\"bytes\\":$n}"; }'),
      { name: 'data', data: randomBytes(47_900_000), stored: true },
    ]);
    expect((await running.post('/init', archiveBody(zip, { env: { A: 'x'.repeat(10_000) } }))).status).toBe(
      200,
    );
    expect((await running.run()).body.toString()).toBe('{"bytes":47900000}');
  });

  it('C-SRV-09: 5 MB both ways come through byte for byte', async () => {
    const running = await start();
    await running.install('#!/bin/sh\ncat\n');
    const value = `{"x":"${'é𝒳z'.repeat(700_000)}"}`;
    const answer = await running.runText(value);
    expect(answer.status).toBe(200);
    expect(answer.body.equals(Buffer.from(value))).toBe(true);
  });
});

describe('how many at once', () => {
  it('C-SRV-08: over the limit they wait, over that they get 429 with Retry-After, never 503', async () => {
    const running = await start({ HYPERSKELETON_MAX_IN_FLIGHT: '2', HYPERSKELETON_MAX_QUEUED: '1' });
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho '{"done":1}'\n`);
    const running2 = [running.run(), running.run()];
    await gate.arrivals(2);
    const waiting = running.run();
    await until('one waits', async () => /_queued 1\n/.test(await metrics(running)));
    const refused = await running.run();
    expect([
      refused.status,
      refused.headers['retry-after'],
      refused.headers['x-hyperskeleton-error'],
    ]).toEqual([429, '1', 'overloaded']);
    // C-LOG-01: a refusal ends no log, for none was begun.
    expect(running.takeLogs().stdout.length).toBe(0);
    // Who waited finds no gate any more.
    await running.install('#!/bin/sh\necho \'{"done":1}\'\n');
    gate.open();
    const answers = await Promise.all([...running2, waiting]);
    expect(answers.map(({ body }) => body.toString())).toEqual(Array.from({ length: 3 }, () => '{"done":1}'));
    expect(await metrics(running)).toMatch(/hyperskeleton_activations_total\{outcome="refused"\} 1\n/);
  });

  it('C-SRV-10: 20 runs of 0.7 s take less than 3 s', async () => {
    const running = await start();
    await running.install('#!/bin/sh\nread -r line\nsleep 0.7\necho "$line"\n');
    const begunMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => running.run({ n })));
    expect(performance.now() - begunMs).toBeLessThan(3000);
    expect(answers.map(({ body }) => body.toString())).toEqual(answers.map((_, n) => `{"n":${n}}`));
  });

  it.each(ENGINES)(
    'run_no_resources: no descriptors left is a fault of the runtime, and passes (%s)',
    async (engine) => {
      server = await RunServer.start({
        engine,
        env: { HYPERSKELETON_MAX_IN_FLIGHT: '100' },
      });
      expect((await server.run()).status).toBe(200);
      server.takeLogs();
      const { pid } = server;
      const setLimit = (files: number): Buffer =>
        execFileSync('prlimit', ['--pid', String(pid), `--nofile=${files}:`]);
      // Room for a request, and none for the pipes of its run.
      setLimit((await settledDescriptors(pid)) + 3);
      const failed = await server.run();
      expect([failed.status, failed.headers['x-hyperskeleton-error']]).toEqual([500, 'run_no_resources']);
      expect(server.takeRunLogs().stdout).toBe('error: no process could be started: EMFILE\n');
      setLimit(1000);
      expect((await server.run()).status).toBe(200);
    },
  );
});

describe('the command line', () => {
  const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
  const run = (args: string[], env: Record<string, string> = {}): { status: number | null; text: string } => {
    const { status, stdout, stderr } = spawnSync(BINARY, args, {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, ...env },
    });
    return { status, text: stdout + stderr };
  };

  it('tells all faults of the settings at once and exits 2', () => {
    const { status, text } = run(['serve', '--port', 'x', '--engine', 'y'], { HYPERSKELETON_THREADS: '999' });
    expect(status).toBe(2);
    for (const part of ['--port="x"', '--engine="y"', 'HYPERSKELETON_THREADS="999"'])
      expect(text).toContain(part);
  });

  it('refuses unknown flags and commands', () => {
    expect(run(['serve', '--colour', 'red']).status).toBe(2);
    expect(run(['fly']).status).toBe(2);
  });

  it('prints its help and its version', () => {
    expect(run(['--help'])).toMatchObject({ status: 0, text: expect.stringContaining('--action-root') });
    const { version } = JSON.parse(readFileSync(join(BINARY, '../../package.json'), 'utf8')) as {
      version: string;
    };
    expect(run(['--version'])).toEqual({ status: 0, text: `${version}\n` });
  });

  it('says that a port is in use, though its owner shares it, and exits 1', async () => {
    const owner = createServer();
    owner.listen(0, '0.0.0.0');
    await once(owner, 'listening');
    const { port } = owner.address() as { port: number };
    const { status, text } = run(['serve', '--port', String(port)]);
    expect([status, text]).toEqual([1, `hyperskeleton: port ${port} can't be listened on: it is in use\n`]);
    owner.close();
    const running = await start();
    expect(run(['serve', '--port', String(running.port)]).status).toBe(1);
  });

  it('C-SRV-01: FLASK_PROXY_PORT alone is enough, and a private action folder is removed at the end', async () => {
    const running = await start();
    await running.install('#!/bin/sh\npwd | { read -r d; echo "{\\"folder\\":\\"$d\\"}"; }\n');
    expect(JSON.parse((await running.run()).body.toString())).toEqual({ folder: running.actionRoot });
  });
});

async function metrics(running: RunServer): Promise<string> {
  return (await fetch(`http://127.0.0.1:${running.port}/metrics`)).text();
}
