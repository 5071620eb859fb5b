import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { RunServer } from '../support/run-server.js';
import { Gate, until } from '../support/waiting.js';

describe('more activations than there is room for', () => {
  let server: RunServer;
  afterEach(() => server.stop());
  const metrics = async (): Promise<string> =>
    (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();

  it('C-SRV-08: wait in order of arrival, then are a 429 with Retry-After, a code of ours and no sentinels', async () => {
    server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_MAX_IN_FLIGHT: '2', HYPERSKELETON_MAX_QUEUED: '3' },
    });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho "$1" >> order\necho "$1"\n`);
    const running = [server.run({ n: 0 }), server.run({ n: 1 })];
    await gate.arrivals(2);
    const waiting: ReturnType<RunServer['run']>[] = [];
    for (let n = 2; n < 5; n++) {
      waiting.push(server.run({ n }));
      await until('it waits', async () =>
        (await metrics()).includes(`hyperskeleton_activations_queued ${n - 1}\n`),
      );
    }
    const refused = await server.run({ n: 5 });
    expect([
      refused.status,
      refused.headers['retry-after'],
      refused.headers['x-hyperskeleton-error'],
    ]).toEqual([429, '1', 'overloaded']);
    expect(server.takeLogs().stdout.length).toBe(0);
    gate.open();
    const answers = await Promise.all([...running, ...waiting]);
    expect(answers.map(({ body }) => body.toString())).toEqual([0, 1, 2, 3, 4].map((n) => `{"n":${n}}`));
    const text = await metrics();
    expect(text).toContain('hyperskeleton_refusals_total{code="overloaded"} 1\n');
    expect(text).toContain('hyperskeleton_activations_total{outcome="refused"} 1\n');
    expect(text).toMatch(/hyperskeleton_activation_duration_seconds_count\{phase="queue"\} 5\n/);
    expect(text).toContain('hyperskeleton_activations_queued 0\n');
  });

  it('a slow one holds up nobody who has a place', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', env: { HYPERSKELETON_MAX_IN_FLIGHT: '2' } });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\ncase $1 in *slow*) ${gate.wait};; esac\necho "{}"\n`);
    const slow = server.run({ slow: 1 });
    await gate.arrivals(1);
    const quick = await Promise.all(Array.from({ length: 50 }, () => server.run()));
    expect(quick.every(({ status }) => status === 200)).toBe(true);
    gate.open();
    expect((await slow).status).toBe(200);
  });

  it('who leaves while waiting gives no place away twice', async () => {
    server = await RunServer.start({ engine: 'posix_spawn', env: { HYPERSKELETON_MAX_IN_FLIGHT: '1' } });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const first = server.run();
    await gate.arrivals(1);
    const controller = new AbortController();
    const left = fetch(`http://127.0.0.1:${server.port}/run`, {
      method: 'POST',
      body: '{}',
      signal: controller.signal,
    });
    await until('it waits', async () => (await metrics()).includes('hyperskeleton_activations_queued 1\n'));
    controller.abort();
    await left.catch(() => {});
    gate.open();
    expect((await first).status).toBe(200);
    expect((await server.run()).status).toBe(200);
    await until('all is over', async () =>
      (await metrics()).includes('hyperskeleton_activations_in_flight 0\n'),
    );
  });
});

describe('a port of its own for the metrics', () => {
  it('C-KN-01: has the pages of the operator, and the main port has no metrics', async () => {
    const port = await freePort();
    const server = await RunServer.start({ engine: 'posix_spawn', flags: ['--metrics-port', String(port)] });
    try {
      expect(await server.get('/metrics')).toBe(404);
      const page = async (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
      expect(await (await page('/metrics')).text()).toContain('hyperskeleton_build_info');
      expect((await page('/readyz')).status).toBe(200);
      expect((await page('/run')).status).toBe(404);
      const exited = new Promise((resolve) => server.process.once('exit', resolve));
      server.process.kill('SIGTERM');
      expect(await exited).toBe(0);
    } finally {
      await server.stop();
    }
  });
});
