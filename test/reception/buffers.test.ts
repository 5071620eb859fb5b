import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { bufferLimits } from '../../src/admission/buffer-limits.js';
import { MemoryGroup, memoryLimitBytes } from '../../src/os/memory-group.js';
import {
  ByteBudget,
  createBudgetMemory,
  releaseReservationsOf,
} from '../../src/shared-memory/byte-budget.js';
import {
  actionLoopInit,
  actionLoopScript,
  ECHO,
  startActionLoopServer,
} from '../support/actionloop-server.js';
import { RawConnection } from '../support/raw-http.js';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

const MIB = 1024 * 1024;
let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(env: Record<string, string> = {}, engine = 'posix_spawn'): Promise<RunServer> {
  server = await RunServer.start({ engine, env });
  await server.install('#!/bin/sh\ncat\n');
  return server;
}

const held = async ({ port }: RunServer): Promise<number> =>
  (await scrape(port)).value('hyperskeleton_buffered_bytes') ?? Number.NaN;
const bodyOf = (bytes: number): string => `{"value":{"x":"${'y'.repeat(bytes - 18)}"}}`;

/** A request of that length of which the last bytes are not sent. */
async function unfinished(running: RunServer, bytes: number): Promise<RawConnection> {
  const connection = await RawConnection.open(running.port);
  const body = bodyOf(bytes).slice(0, -100);
  connection.send(`POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${bytes}\r\n\r\n${body}`);
  return connection;
}

describe('C-SRV-09: the bytes of bodies and results that are held at the same time', () => {
  it('are limited: a body that can never fit is a 413, one that others leave no room for a 429', async () => {
    const running = await start({ HYPERSKELETON_MAX_BUFFERED_BYTES: String(MIB) });
    const never = await running.post('/run', bodyOf(MIB + 1));
    expect([never.status, never.headers['x-hyperskeleton-error']]).toEqual([413, 'body_too_large']);
    const first = await unfinished(running, 600_000);
    await until('the first is held', async () => (await held(running)) >= 600_000);
    for (const path of ['/run', '/init']) {
      const refused = await running.post(path, bodyOf(600_000));
      expect([
        refused.status,
        refused.headers['x-hyperskeleton-error'],
        refused.headers['retry-after'],
      ]).toEqual([429, 'buffers_full', '1']);
    }
    // Without a length it is known only as it comes.
    const chunked = await fetch(`http://127.0.0.1:${running.port}/run`, {
      method: 'POST',
      body: new Blob([bodyOf(600_000)]).stream(),
      duplex: 'half',
    } as RequestInit);
    expect(chunked.status).toBe(429);
    // Who has the connection closed would lose the answer while it sends.
    const closing = await RawConnection.open(running.port);
    closing.send(`POST /run HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 600000\r\n\r\n`);
    closing.send(bodyOf(600_000));
    expect((await closing.answer())?.status).toBe(429);
    // Small ones go on.
    expect((await running.run()).status).toBe(200);
    expect(running.takeRunLogs().stdout).toBe('');
    first.close();
    await until('nothing is held', async () => (await held(running)) === 0);
    expect((await running.post('/run', bodyOf(300_000))).status).toBe(200);
  });

  it('are those that have come, not those that were announced', async () => {
    const running = await start({ HYPERSKELETON_MAX_BUFFERED_BYTES: String(64 * MIB) });
    const connections = [];
    for (let count = 0; count < 100; count++) {
      const connection = await RawConnection.open(running.port);
      connection.send(`POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${60 * MIB}\r\n\r\n{"value":{`);
      connections.push(connection);
    }
    await until('all have come', async () => (await held(running)) >= 100 * 4096);
    expect(await held(running)).toBeLessThanOrEqual(100 * 16 * 1024);
    expect((await running.post('/run', bodyOf(8 * MIB))).status).toBe(200);
    for (const connection of connections) connection.close();
    await until('nothing is held', async () => (await held(running)) === 0);
  });

  it.each(ENGINES)('count a result while it is held: without room its run fails (%s)', async (engine) => {
    const running = await start({ HYPERSKELETON_MAX_BUFFERED_BYTES: String(2 * MIB) }, engine);
    await running.install(
      '#!/bin/sh\nprintf \'{"x":"\'; head -c 3000000 /dev/zero | tr "\\0" z; echo \'"}\'\n',
    );
    const failed = await running.run();
    expect([failed.status, failed.headers['x-hyperskeleton-error']]).toEqual([500, 'run_result_no_memory']);
    expect(JSON.parse(failed.body.toString())).toEqual({
      error: `The runtime had no memory left for the result of the activation: ${2 * MIB} bytes may be held at the same time.`,
    });
    const { stdout } = running.takeRunLogs();
    expect(stdout.length).toBeGreaterThan(3_000_000);
    expect(await held(running)).toBe(0);
    await running.install(
      '#!/bin/sh\nprintf \'{"x":"\'; head -c 1500000 /dev/zero | tr "\\0" z; echo \'"}\'\n',
    );
    expect((await running.run()).body.length).toBe(1_500_008);
    await until('nothing is held', async () => (await held(running)) === 0);
  });

  it('are limited in the ActionLoop protocol as well', async () => {
    server = await startActionLoopServer({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_MAX_BUFFERED_BYTES: String(MIB) },
    });
    expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
    const first = await unfinished(server, 600_000);
    await until('the first is held', async () => (await held(server as RunServer)) >= 600_000);
    expect((await server.post('/run', bodyOf(600_000))).status).toBe(429);
    first.close();
    await until('nothing is held', async () => (await held(server as RunServer)) === 0);
    expect((await server.post('/run', bodyOf(400_000))).status).toBe(200);
    await until('nothing is held', async () => (await held(server as RunServer)) === 0);
  });

  it.each(['posix_spawn', 'child_process'])(
    'count an ActionLoop answer while it comes (%s)',
    async (engine) => {
      server = await startActionLoopServer({
        engine,
        env: { HYPERSKELETON_MAX_BUFFERED_BYTES: String(MIB) },
      });
      const long = actionLoopScript(
        `printf '{"x":"' >&3; n=0; while [ $n -lt 40 ]; do printf '%050000d' 0 >&3; n=$((n+1)); done; printf '"}\n' >&3`,
      );
      expect((await server.post('/init', actionLoopInit(long))).status).toBe(200);
      const failed = await server.run();
      expect([failed.status, failed.headers['x-hyperskeleton-error']]).toEqual([500, 'run_result_no_memory']);
      expect(await held(server)).toBe(0);
    },
  );
});

describe('the limit of what is held', () => {
  it('is half of the memory beyond what the server needs, and so is the largest body in a small container', () => {
    const none = { maxBufferedBytes: undefined, maxBodyBytes: undefined };
    expect(bufferLimits(none, 256 * MIB)).toEqual({ bufferedBytes: 80 * MIB, bodyBytes: 80 * MIB });
    expect(bufferLimits(none, 1024 * MIB)).toEqual({ bufferedBytes: 464 * MIB, bodyBytes: 128 * MIB });
    expect(bufferLimits(none, 64 * MIB)).toEqual({ bufferedBytes: 8 * MIB, bodyBytes: 8 * MIB });
    expect(bufferLimits({ maxBufferedBytes: 5, maxBodyBytes: 9 }, MIB)).toEqual({
      bufferedBytes: 5,
      bodyBytes: 5,
    });
  });

  it.each([
    ['/sys/fs/cgroup', 'memory.max', 'memory.current', '0::/a/b', 'max'],
    [
      '/sys/fs/cgroup/memory',
      'memory.limit_in_bytes',
      'memory.usage_in_bytes',
      '4:memory:/a/b',
      '9223372036854771712',
    ],
  ])('is taken from the least limit of all groups around (%s)', (root, file, used, groups, none) => {
    const mounted = mkdtempSync(join(tmpdir(), 'hyperskeleton-groups-'));
    const write = (group: string, text: string): void => {
      mkdirSync(join(mounted, root, group), { recursive: true });
      writeFileSync(join(mounted, root, group, file), `${text}\n`);
      writeFileSync(join(mounted, root, group, used), '4096\n');
    };
    try {
      for (const group of ['', 'a', 'a/b']) write(group, none);
      const machine = memoryLimitBytes(MemoryGroup.find('', mounted));
      expect(memoryLimitBytes(MemoryGroup.find(groups, mounted))).toBe(machine);
      write('a', String(7 * MIB));
      expect(memoryLimitBytes(MemoryGroup.find(groups, mounted))).toBe(7 * MIB);
      write('a/b', String(5 * MIB));
      expect(memoryLimitBytes(MemoryGroup.find(groups, mounted))).toBe(5 * MIB);
      // A container sees its own group as the root.
      write('', String(3 * MIB));
      expect(memoryLimitBytes(MemoryGroup.find(groups.replace('/a/b', '/elsewhere'), mounted))).toBe(3 * MIB);
    } finally {
      rmSync(mounted, { recursive: true });
    }
  });

  it('is common to all threads, and what a dead one held is free', () => {
    const memory = createBudgetMemory(2, 10 * 4096);
    const [one, other] = [new ByteBudget(memory, 0), new ByteBudget(memory, 1)];
    const reservation = one.reserve();
    expect(reservation.resize(6 * 4096)).toBe(true);
    expect(other.reserve().resize(5 * 4096)).toBe(false);
    expect(other.reserve().resize(4 * 4096)).toBe(true);
    expect(one.freeBytes).toBe(0);
    releaseReservationsOf(memory, 1);
    expect(one.freeBytes).toBe(4 * 4096);
    expect(reservation.resize(11 * 4096)).toBe(false);
    reservation.setUnchecked(11 * 4096);
    expect(other.usedBytes).toBe(11 * 4096);
    reservation.release();
    expect(other.usedBytes).toBe(0);
  });
});

describe('members of a body', () => {
  it.each([
    ['/run', 502],
    ['/init', 200],
  ])('C-RUN-05: millions of them take no memory for each (%s)', async (path, status) => {
    const running = await start();
    const before = peakBytes(running.pid);
    const body = `{${'"a":0,'.repeat(2_000_000)}"a":0}`;
    const answer = await running.post(path, body);
    expect(answer.status).toBe(status);
    // The body itself twice, and what V8 leaves lying about; one object for each took 300 MB.
    expect(peakBytes(running.pid) - before).toBeLessThan(100 * MIB);
    if (path === '/run') {
      expect(answer.headers['x-hyperskeleton-reason']).toBe('too_large');
      expect(running.takeLogs().stdout.toString()).toMatch(
        new RegExp(`Argument list too long.*\n${SENTINEL}\n$`),
      );
      const large = `{"value":{${'"a":0,'.repeat(2_000_000)}"a":0}}`;
      expect((await running.post(path, large)).body.length).toBe(large.length - 10);
    }
  });
});

/** The most memory that the server's process has had resident (proc(5)). */
function peakBytes(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024;
}
