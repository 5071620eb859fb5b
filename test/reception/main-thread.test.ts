import { afterEach, describe, expect, it } from 'vitest';
import { parseBody } from '../../src/executor/time-limit.js';
import { deadlineIn } from '../../src/protocol/run-body.js';
import type { WorkerPool } from '../../src/threads/worker-pool.js';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../support/actionloop-server.js';
import { activationLog } from '../support/main-thread-starts.js';
import { compileAction } from '../support/run-programs.js';
import { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';

const HONORS = { HYPERSKELETON_HONOR_DEADLINE: '1' };
const LARGE_BYTES = 300_000;

let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

describe('C-PLAT-05: the deadline of the platform', () => {
  it('is read on the main thread in small bodies only', async () => {
    const asked: number[] = [];
    const pool = {
      parseRunBody: (body: Uint8Array) => {
        asked.push(body.byteLength);
        return Promise.resolve({ parsed: { context: [] }, body });
      },
    } as unknown as WorkerPool;
    const here: number[] = [];
    const reader = {
      deadlineIn,
      parseRunBody: (body: Uint8Array) => {
        here.push(body.byteLength);
        return { context: [], deadline: { start: 1, end: 2 } };
      },
    };
    const [small, large] = [new Uint8Array(1000), new Uint8Array(LARGE_BYTES)];
    const parsed = { context: [], deadline: { start: 1, end: 2 } };
    expect(parseBody(small, reader, pool)).toEqual({ parsed, body: small });
    expect(await parseBody(large, reader, pool)).toEqual({ parsed: { context: [] }, body: large });
    expect([asked, here]).toEqual([[LARGE_BYTES], [1000]]);
  });

  /** A body with a deadline that has passed, or is far away, behind much else. */
  const bodyOf = (ms: number): string =>
    `{"value":{"x":"${'y'.repeat(LARGE_BYTES)}"},"deadline":"${Date.now() + ms}"}`;

  it('counts in large bodies, too', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', env: HONORS });
    await server.install('#!/bin/sh\ncat\n');
    expect((await server.post('/run', bodyOf(-1))).status).toBe(504);
    const answer = await server.post('/run', bodyOf(600_000));
    expect([answer.status, answer.body.length]).toEqual([200, LARGE_BYTES + 8]);
    expect((await server.post('/run', `[${' '.repeat(LARGE_BYTES)}1]`)).status).toBe(404);
  });

  it('counts in large bodies of ActionLoop, too', async () => {
    server = await startActionLoopServer({ engine: 'posix_spawn', env: HONORS });
    expect((await server.post('/init', actionLoopInit(actionLoopScript('echo "{}" >&3')))).status).toBe(200);
    expect((await server.post('/run', bodyOf(-1))).status).toBe(504);
    expect((await server.post('/run', bodyOf(600_000))).status).toBe(200);
  });

  it('counts in large bodies of Knative mode, too, whose init may come with a run', async () => {
    server = await RunServer.start({
      engine: 'posix_spawn',
      env: { __OW_RUNTIME_PLATFORM: 'knative', ...HONORS },
      readiness: '/_hyperskeleton/readyz',
    });
    const value = { x: 'y'.repeat(LARGE_BYTES) };
    const both = { init: { code: '#!/bin/sh\ncat\n' }, value };
    const answer = await server.post('/', JSON.stringify(both));
    expect(JSON.parse(answer.body.toString())).toEqual(value);
    const late = { value, activation: { deadline: String(Date.now() - 1) } };
    expect((await server.post('/', JSON.stringify(late))).status).toBe(504);
    const early = { value, activation: { deadline: String(Date.now() + 600_000) } };
    expect((await server.post('/', JSON.stringify(early))).status).toBe(200);
  });
});

describe('C-RUN-16: a long last line', () => {
  it('of an activation of the main thread is judged by a worker', async () => {
    const log = activationLog();
    server = await RunServer.start({ engine: 'forkserver', env: { PROXY_ALLOW_REINIT: '1', ...log.env } });
    await server.installProgram(await compileAction('long-line'));
    const wasDirect = (): boolean => log.wasLastOnMainThread();
    /** A long line shows that the action is none for the main thread: one generation of it has one only. */
    const lone = async (value: object): Promise<{ status: number; length: number }> => {
      const running = server as RunServer;
      expect((await running.post('/init', '{}')).status).toBe(200);
      await running.run({});
      for (let count = 0; count < 2000 && !wasDirect(); count++) await running.run({});
      running.takeLogs();
      const answer = await running.run(value);
      expect(wasDirect()).toBe(true);
      return { status: answer.status, length: answer.body.length };
    };
    expect(await lone({ bytes: 200_000 })).toEqual({ status: 200, length: 200_008 });
    expect(await lone({ bytes: 210_000, error: 1 })).toEqual({ status: 200, length: 210_012 });
    expect((await lone({ bytes: 220_000, broken: 1 })).status).toBe(502);
    expect(server.takeRunLogs().stdout.length).toBe(220_008);
    expect((await scrape(server.port)).value('hyperskeleton_activations_total{outcome="action_error"}')).toBe(
      1,
    );
  });

  it('of an ActionLoop process is judged by a worker', async () => {
    server = await startActionLoopServer({ engine: 'posix_spawn' });
    const long = (end: string): string => actionLoopScript(`printf '{"error":"%0300000d"${end}\n' 0 >&3`);
    expect((await server.post('/init', actionLoopInit(long('}')))).status).toBe(200);
    const answer = await server.run();
    expect([answer.status, answer.body.length]).toEqual([200, 300_013]);
    expect((await scrape(server.port)).value('hyperskeleton_activations_total{outcome="action_error"}')).toBe(
      1,
    );
    await server.stop();
    server = await startActionLoopServer({ engine: 'posix_spawn' });
    expect((await server.post('/init', actionLoopInit(long(']')))).status).toBe(200);
    expect((await server.run()).status).toBe(502);
  });
});
