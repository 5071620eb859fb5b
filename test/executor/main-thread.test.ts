import { readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { type ActivationLog, activationLog } from '../support/main-thread-starts.js';
import { compileAction } from '../support/run-programs.js';
import { type Answer, RunServer, type ServerOptions } from '../support/run-server.js';
import {
  childrenOf,
  Gate,
  isAlive,
  settledDescriptors,
  signalTemplates,
  stopTemplates,
  until,
} from '../support/waiting.js';

const ECHO = '#!/bin/sh\necho "log of $__OW_ACTIVATION_ID" >&2\necho "line before"\necho "$1"\n';

describe.each(['auto', 'forkserver'])('an activation that comes alone (%s)', (engine) => {
  let server: RunServer;
  let log: ActivationLog;
  const start = async (options: Partial<ServerOptions> = {}): Promise<void> => {
    log = activationLog();
    server = await RunServer.start({ engine, ...options, env: { ...log.env, ...options.env } });
  };
  afterEach(() => server.stop());

  async function metric(name: string): Promise<number> {
    const page = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    return Number(
      page
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.split(' ')[1],
    );
  }
  const direct = (): number => log.mainThreadStarts();

  /** Whether the main thread has started what is run here. */
  async function isDirect(run: () => Promise<unknown>): Promise<boolean> {
    await run();
    return log.wasLastOnMainThread();
  }
  const untilDirect = (run: () => Promise<unknown> = () => server.run()): Promise<void> =>
    until('the main thread starts it', () => isDirect(run));

  it('is started by the main thread after the first runs, and nobody can tell', async () => {
    await start();
    await server.install(ECHO);
    await untilDirect();
    server.takeLogs();
    for (let run = 0; run < 50; run++) {
      const answer = await server.run({ run }, { activation_id: `id-${run}` });
      expect([answer.status, answer.body.toString()]).toEqual([200, `{"run":${run}}`]);
      expect(server.takeRunLogs()).toEqual({ stdout: 'line before\n', stderr: `log of id-${run}\n` });
    }
    expect(direct()).toBeGreaterThan(40);
    expect(await metric('hyperskeleton_leftover_processes')).toBe(0);
    expect(childrenOf(server.pid)).toEqual([]);
  });

  it('a template that hangs does not give it a new time limit: what has passed counts', async () => {
    await start({
      env: { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '1500', HYPERSKELETON_TIMEOUT_GRACE_MS: '100' },
    });
    await server.install('#!/bin/sh\necho "{}"\n');
    await untilDirect();
    await stopTemplates(server.pid);
    // It is longer than the limit until the template is given up.
    const answer = await server.run();
    expect([answer.status, answer.headers['x-hyperskeleton-cause']]).toEqual([504, 'run_timeout']);
    await until('it is served again', async () => (await server.run()).status === 200);
  });

  it('several callers who are answered together are the workers’, the first of them too', async () => {
    await start();
    await server.install('#!/bin/sh\necho "$1"\n');
    await untilDirect();
    const burst = (): Promise<Answer[]> => Promise.all(Array.from({ length: 4 }, () => server.run()));
    await burst();
    const before = direct();
    for (let round = 0; round < 10; round++) await burst();
    expect(direct()).toBe(before);
  });

  it('others that come meanwhile are the workers’', async () => {
    await start();
    await server.install('#!/bin/sh\necho "{}"\n');
    await untilDirect();
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\ncase $1 in *wait*) ${gate.wait};; esac\necho "$1"\n`);
    await untilDirect();
    const before = direct();
    const waiting = server.run({ wait: 1 });
    await gate.arrivals(1);
    const others = await Promise.all([1, 2, 3].map((run) => server.run({ run })));
    expect(others.map(({ body }) => body.toString())).toEqual([1, 2, 3].map((run) => `{"run":${run}}`));
    gate.open();
    expect((await waiting).body.toString()).toBe('{"wait":1}');
    expect(direct()).toBe(before + 1);
  });

  it('variables of the request, a trace context, and both kinds of callers in turns', async () => {
    await start();
    await server.install('#!/bin/sh\necho "{\\"k\\":\\"$__OW_API_KEY\\",\\"t\\":\\"$TRACEPARENT\\"}"\n');
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const plain = (): Promise<Answer> => server.run({}, { api_key: 'secret' });
    const traced = (): Promise<Answer> => server.post('/run', '{"value":{}}', { traceparent });
    await untilDirect(plain);
    await untilDirect(traced);
    for (let turn = 0; turn < 10; turn++) {
      expect((await plain()).body.toString()).toBe('{"k":"secret","t":""}');
      expect((await traced()).body.toString()).toBe(`{"k":"","t":"${traceparent}"}`);
    }
  });

  it('an action that is replaced, by an init or by hand, is never run again', async () => {
    await start({ env: { PROXY_ALLOW_REINIT: '1' } });
    for (let version = 0; version < 5; version++) {
      const script = `#!/bin/sh\necho "{\\"version\\":${version}}"\n`;
      if (version % 2 === 0) await server.install(script);
      else expect((await server.post('/init', JSON.stringify({ value: { code: script } }))).status).toBe(200);
      for (let run = 0; run < 5; run++)
        expect((await server.run()).body.toString()).toBe(`{"version":${version}}`);
      await untilDirect();
      expect((await server.run()).body.toString()).toBe(`{"version":${version}}`);
    }
  });

  it('large arguments and actions with much output are the workers’', async () => {
    await start();
    await server.install(
      '#!/bin/sh\ncase $1 in *much*) head -c 400000 /dev/zero | tr "\\0" x >&2;; esac\necho "{}"\n',
    );
    await untilDirect();
    expect(await isDirect(() => server.run({ filler: 'x'.repeat(20_000) }))).toBe(false);
    expect(await isDirect(() => server.run())).toBe(true);
    expect((await server.run({ much: 1 })).status).toBe(200);
    expect(await isDirect(() => server.run())).toBe(false);
  });

  it('its time limit ends it with its group', async () => {
    await start({
      env: { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '500', HYPERSKELETON_TIMEOUT_GRACE_MS: '50' },
    });
    await server.install(
      '#!/bin/sh\ncase $1 in *hang*) trap "" TERM; sleep 1000 & echo $! > child; sleep 1000;; esac\necho "{}"\n',
    );
    await untilDirect();
    let status = 0;
    expect(
      await isDirect(async () => {
        status = (await server.run({ hang: 1 })).status;
      }),
    ).toBe(true);
    expect(status).toBe(504);
    await until('nothing of it is left', () => childrenOf(server.pid).length === 0);
    expect((await server.run()).status).toBe(200);
  });

  it('one that another process traces, and can not be reaped, holds nobody up', async () => {
    await start();
    await server.installProgram(await compileAction('traced'));
    await untilDirect();
    let tracer = 0;
    expect(
      await isDirect(async () => {
        tracer = (JSON.parse((await server.run({ trace: 1 })).body.toString()) as { tracer: number }).tracer;
      }),
    ).toBe(true);
    expect((await server.run()).status).toBe(200);
    expect(isAlive(tracer)).toBe(true);
    process.kill(tracer, 'SIGKILL');
    await until('both are reaped', () => childrenOf(server.pid).length === 0);
  });

  it('templates that die, stop or are killed lose nothing', async () => {
    await start();
    await server.install('#!/bin/sh\necho "$1"\n');
    for (const signal of ['SIGKILL', 'SIGSTOP', 'SIGSEGV'] as const) {
      await untilDirect();
      signalTemplates(server.pid, signal);
      for (let run = 0; run < 5; run++)
        expect((await server.run({ run })).body.toString()).toBe(`{"run":${run}}`);
    }
  }, 120_000);

  it('daemons of actions are left alone, and counted, while clones come and go', async () => {
    await start();
    await server.installProgram(await compileAction('daemonize'));
    const daemons: number[] = [];
    const run = async (): Promise<void> => {
      daemons.push((JSON.parse((await server.run()).body.toString()) as { daemon: number }).daemon);
    };
    await untilDirect(run);
    for (let count = 0; count < 30; count++) await run();
    signalTemplates(server.pid, 'SIGKILL');
    await run();
    expect(daemons.every(isAlive)).toBe(true);
    expect(await metric('hyperskeleton_leftover_processes')).toBeGreaterThanOrEqual(30);
    for (const pid of daemons) process.kill(pid, 'SIGKILL');
    await until('they are reaped', () => childrenOf(server.pid).length === 0);
  });

  it('where every leftover is killed, templates and clones are none', async () => {
    await start({ env: { HYPERSKELETON_LEFTOVERS: 'all' } });
    await server.installProgram(await compileAction('daemonize'));
    await untilDirect();
    const before = await metric('hyperskeleton_forkserver_templates_total{event="died"}');
    for (let run = 0; run < 20; run++) {
      const { daemon } = JSON.parse((await server.run()).body.toString()) as { daemon: number };
      await until('its daemon is gone', () => !isAlive(daemon));
    }
    expect(await metric('hyperskeleton_forkserver_templates_total{event="died"}')).toBe(before);
    expect(direct()).toBeGreaterThan(10);
  });

  it('what is under way at a shutdown is finished', async () => {
    await start();
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\ncase $1 in *wait*) ${gate.wait};; esac\necho "$1"\n`);
    await untilDirect();
    const waiting = server.run({ wait: 1 });
    await gate.arrivals(1);
    const ended = new Promise((resolve) => server.process.once('exit', resolve));
    server.process.kill('SIGTERM');
    gate.open();
    expect((await waiting).body.toString()).toBe('{"wait":1}');
    expect(await ended).toBe(0);
  });

  it('2000 of them leak nothing', async () => {
    await start();
    await server.installProgram(await compileAction('echo'));
    const named = (): Promise<Answer> => server.run({}, { activation_id: 'warm' });
    await untilDirect(named);
    for (let run = 0; run < 50; run++) await named();
    const before = await settledDescriptors(server.pid);
    for (let run = 0; run < 2000; run++) {
      const answer = await server.run({ run }, { activation_id: String(run) });
      expect(answer.body.toString()).toBe(`{"id":"${run}","argument":{"run":${run}},"stdin":{"run":${run}}}`);
    }
    expect(direct()).toBeGreaterThan(1000);
    expect(await settledDescriptors(server.pid)).toBeLessThanOrEqual(before);
    expect(childrenOf(server.pid)).toEqual([]);
    expect(readdirSync(server.temporary)).toEqual([]);
  });
});

it('bursts and what comes alone between them leak nothing', async () => {
  const server = await RunServer.start({ engine: 'auto' });
  try {
    const some = async (count: number): Promise<void> => {
      for (let version = 0; version < 4; version++) {
        await server.install(`#!/bin/sh\n(sleep 0.1 &); echo "{\\"version\\":${version}}"\n`);
        for (let round = 0; round < count; round++) {
          const alone: Answer[] = [];
          for (let run = 0; run < 8; run++) alone.push(await server.run());
          const many = await Promise.all(Array.from({ length: 10 }, () => server.run()));
          for (const { body } of [...alone, ...many]) expect(body.toString()).toBe(`{"version":${version}}`);
        }
      }
    };
    await some(10);
    await until('it is at rest', () => childrenOf(server.pid).length === 0);
    const before = await settledDescriptors(server.pid);
    await some(50);
    await until('no child is left, zombies included', () => childrenOf(server.pid).length === 0);
    // Templates and prewarmed clones, of whatever thread, may be there or not: some twenty descriptors at most.
    await until(
      'its descriptors are as before',
      async () => (await settledDescriptors(server.pid)) <= before + 25,
    );
  } finally {
    await server.stop();
  }
}, 300_000);

describe('the main thread starts nothing', () => {
  let server: RunServer;
  afterEach(() => server.stop());
  const cases = [
    { why: 'where that is switched off', engine: 'auto', env: { HYPERSKELETON_DIRECT: 'off' } },
    { why: 'with posix_spawn', engine: 'posix_spawn', env: {} },
    { why: 'with child_process', engine: 'child_process', env: {} },
  ];
  it.each(cases)('$why', async ({ engine, env }) => {
    server = await RunServer.start({ engine, env });
    await server.install('#!/bin/sh\necho "{}"\n');
    for (let run = 0; run < 100; run++) expect((await server.run()).status).toBe(200);
    const page = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    expect(page).toMatch(/\nhyperskeleton_activations_direct_total 0\n/);
  });
});
