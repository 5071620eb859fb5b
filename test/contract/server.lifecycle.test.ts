import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-http.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { childrenOf, end, Gate, isAlive, settledDescriptors, stateOf, until } from '../support/waiting.js';

const SENTINEL_LINE = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';

describe.each(ENGINES)('life cycle (%s)', (engine) => {
  let server: RunServer | undefined;

  async function start(env: Record<string, string> = {}): Promise<RunServer> {
    server = await RunServer.start({ engine, env });
    return server;
  }

  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  async function exitOf(running: RunServer): Promise<number | null> {
    if (running.process.exitCode === null) await once(running.process, 'exit');
    return running.process.exitCode;
  }

  it.each(['SIGTERM', 'SIGINT'] as const)(
    'C-SRV-11: %s at rest ends it at once with status 0',
    async (signal) => {
      const running = await start();
      await running.run();
      running.process.kill(signal);
      expect(await exitOf(running)).toBe(0);
    },
  );

  it('C-SRV-11: in flight is finished with sentinels, everything new is a 503', async () => {
    const running = await start();
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho '{"finished":1}'\n`);
    const kept = await RawConnection.open(running.port);
    kept.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await kept.answer())?.status).toBe(200);
    const inFlight = running.run();
    await gate.arrivals(1);
    running.process.kill('SIGTERM');
    await until('it drains', async () => (await running.get('/readyz')) === 503);
    for (const path of ['/run', '/init']) {
      const refused = await running.post(path, '{}');
      expect([refused.status, refused.headers['x-hyperskeleton-error'], refused.headers.connection]).toEqual([
        503,
        'draining',
        'close',
      ]);
    }
    kept.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    expect((await kept.answer())?.status).toBe(503);
    kept.close();
    expect(running.process.exitCode).toBeNull();
    gate.open();
    expect((await inFlight).body.toString()).toBe('{"finished":1}');
    expect(await exitOf(running)).toBe(0);
    expect(running.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it('C-SRV-11: a second signal ends the grace period', async () => {
    const running = await start({ HYPERSKELETON_GRACE_MS: '600000' });
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const inFlight = running.run();
    await gate.arrivals(1);
    running.process.kill('SIGTERM');
    await until('it drains', async () => (await running.get('/readyz')) === 503);
    running.process.kill('SIGTERM');
    expect((await inFlight).status).toBe(500);
    expect(await exitOf(running)).toBe(0);
    gate.open();
  });

  it('C-SRV-12: clients that come and go without a request, half-way or during a run do no harm', async () => {
    // One thread: a second one, still starting, would open its own descriptors meanwhile.
    const running = await start({ HYPERSKELETON_THREADS: '1' });
    const gate = new Gate(running.folder);
    await running.run();
    running.takeLogs();
    const before = await settledDescriptors(running.pid);
    (await RawConnection.open(running.port)).close();
    const half = await RawConnection.open(running.port);
    half.send('POST /init HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n{"value":{"code":"');
    half.close();
    await running.install(`#!/bin/sh\n${gate.wait}\necho "done" >&2\necho "{}"\n`);
    const leaving = await RawConnection.open(running.port);
    leaving.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    await gate.arrivals(1);
    leaving.close();
    gate.open();
    // The activation itself is finished and its log is complete (C-SRV-06).
    const stderr: Buffer[] = [];
    await until('the log is complete', () => {
      stderr.push(running.takeLogs().stderr);
      return Buffer.concat(stderr).toString() === `done\n${SENTINEL_LINE}`;
    });
    await running.install('#!/bin/sh\necho "{}"\n');
    expect((await running.run()).status).toBe(200);
    await until('no descriptor is left over', () => readdirSync(`/proc/${running.pid}/fd`).length <= before);
  });
});

describe('orphans', () => {
  it('C-SRV-13: processes that lose their parents are reaped when they end', async () => {
    const server = await RunServer.start({ engine: 'posix_spawn' });
    try {
      await server.install('#!/bin/sh\nsh -c \'sleep 60 >/dev/null 2>&1 & echo "{\\"orphan\\":$!}"\'\n');
      const { orphan } = JSON.parse((await server.run()).body.toString()) as { orphan: number };
      await until('it has come to the server', () => childrenOf(server.pid).includes(orphan));
      expect(isAlive(orphan)).toBe(true);
      end(orphan);
      await until('it is reaped', () => stateOf(orphan) === undefined);
    } finally {
      await server.stop();
    }
  });
});
