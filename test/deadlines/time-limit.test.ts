import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { errorOf } from '../support/actionloop-server.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { Gate, isAlive, until } from '../support/waiting.js';

const TEXT = 'The activation exceeded its time limit of 300 milliseconds.';

describe.each(ENGINES)('the time limit of an activation (%s)', (engine) => {
  let server: RunServer;
  const start = async (env: Record<string, string> = {}): Promise<void> => {
    server = await RunServer.start({
      engine,
      env: { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '300', HYPERSKELETON_TIMEOUT_GRACE_MS: '200', ...env },
    });
  };
  afterEach(() => server.stop());
  const pidsIn = (name: string): number[] =>
    readFileSync(join(server.actionRoot, name), 'utf8').trim().split('\n').map(Number);

  it('ends what runs too long: 504, a code of ours, the logs, the sentinels, the metric', async () => {
    await start();
    await server.install('#!/bin/sh\necho before\necho half >&2\nsleep 1000\necho "{}"\n');
    const answer = await server.run(); // run_timeout
    expect([answer.status, errorOf(answer)]).toEqual([504, TEXT]);
    expect(answer.headers['x-hyperskeleton-error']).toBe('run_timeout');
    expect(server.takeRunLogs()).toEqual({ stdout: 'before\n', stderr: 'half\n' });
    const metrics = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    expect(metrics).toContain('hyperskeleton_activations_total{outcome="timeout"} 1\n');
  });

  it('sends SIGTERM to the whole group first, so that an action can tidy up', async () => {
    await start();
    await server.install(
      '#!/bin/sh\n(trap "echo child ended >&2; exit" TERM; while :; do sleep 0.01; done) &\ntrap "echo ended; wait; exit" TERM\nwhile :; do sleep 0.01; done\n',
    );
    expect((await server.run()).status).toBe(504);
    const { stdout, stderr } = server.takeRunLogs();
    expect(stdout).toBe('ended\n');
    // Some shells tell that their children were terminated.
    expect(stderr).toContain('child ended\n');
  });

  it('kills whoever ignores it, the whole group, after the grace', async () => {
    await start();
    await server.install(
      '#!/bin/sh\ntrap "" TERM\n(trap "" TERM; while :; do sleep 1; done) &\necho $! >> pids\necho $$ >> pids\nwhile :; do sleep 1; done\n',
    );
    expect((await server.run()).status).toBe(504);
    await until('all are gone', () => pidsIn('pids').every((pid) => !isAlive(pid)));
  });

  it('a result that comes while it is being ended does not count', async () => {
    await start();
    await server.install(`#!/bin/sh\ntrap 'echo "{}"; exit' TERM\nwhile :; do sleep 0.01; done\n`);
    expect((await server.run()).status).toBe(504);
    expect(server.takeRunLogs().stdout).toBe('{}\n');
  });

  it('counts while the output of leftover processes is waited for', async () => {
    await start({ HYPERSKELETON_DRAIN_MS: '60000' });
    await server.install('#!/bin/sh\necho no result\nsleep 1000 &\n');
    expect(errorOf(await server.run())).toBe(TEXT);
  });

  it('counts while an activation waits for a place, and nothing is started for it then', async () => {
    await start({ HYPERSKELETON_MAX_IN_FLIGHT: '1', HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '4000' });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\ntrap "" TERM\n${gate.wait}\necho "{}"\n`);
    const first = server.run();
    await gate.arrivals(1);
    const second = await server.run();
    expect(second.status).toBe(504);
    expect(gate.arrived).toBe(1);
    expect((await first).status).toBe(504);
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.run()).status).toBe(200);
  });

  it('the next activation works', async () => {
    await start();
    await server.install('#!/bin/sh\n[ "$1" = "{}" ] || sleep 1000\necho "{}"\n');
    expect((await server.run({ slow: 1 })).status).toBe(504);
    expect((await server.run()).status).toBe(200);
  });
});

describe("the platform's deadline", () => {
  let server: RunServer;
  afterEach(() => server.stop());
  const start = async (env: Record<string, string>): Promise<void> => {
    server = await RunServer.start({ engine: 'posix_spawn', env });
    await server.install('#!/bin/sh\nsleep 0.6\necho "{}"\n');
  };

  it('counts where it is asked for, and is a string or a number', async () => {
    await start({ HYPERSKELETON_HONOR_DEADLINE: '1' });
    for (const deadline of [String(Date.now() + 100), Date.now() + 100]) {
      const answer = await server.run({}, { deadline });
      expect([answer.status, errorOf(answer)]).toEqual([
        504,
        'The activation exceeded its time limit of the deadline that the platform sent.',
      ]);
    }
    expect((await server.runBody(JSON.stringify({ value: {}, activation: { deadline: '1' } }))).status).toBe(
      504,
    );
    expect((await server.run({}, { deadline: String(Date.now() + 60_000) })).status).toBe(200);
    expect((await server.run({}, { deadline: 'soon' })).status).toBe(200);
  });

  it('is a hint otherwise', async () => {
    await start({});
    expect((await server.run({}, { deadline: '1' })).status).toBe(200);
  });
});
