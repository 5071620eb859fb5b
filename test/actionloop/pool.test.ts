import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import {
  actionLoopInit,
  actionLoopScript,
  errorOf,
  startActionLoopServer,
} from '../support/actionloop-server.js';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, type RunServer } from '../support/run-server.js';
import { childrenOf, Gate, stateOf, until } from '../support/waiting.js';

/** How many processes die where what they leave behind is counted: each would leave at least one thing. */
const DEATHS = 100;

describe.each(ENGINES)('the processes of an ActionLoop action (%s)', (engine) => {
  let server: RunServer;
  const start = async (env: Record<string, string> = {}): Promise<void> => {
    server = await startActionLoopServer({ engine, env });
  };
  afterEach(() => server.stop());

  async function metric(line: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    const found = text.split('\n').find((one) => one.startsWith(`${line} `));
    return Number(found?.slice(line.length + 1));
  }

  it('there is one by default, and one that is asked for more grows while activations wait', async () => {
    await start({ HYPERSKELETON_ACTIONLOOP_PROCESSES: '3', HYPERSKELETON_ACTIONLOOP_IDLE_MS: '300' });
    const gate = new Gate(server.folder);
    await server.post(
      '/init',
      actionLoopInit(actionLoopScript(`own=$line; ${gate.wait}; printf "%s\\n" "$own" >&3`)),
    );
    expect(childrenOf(server.pid)).toHaveLength(1);
    const runs = Array.from({ length: 9 }, (_, run) => server.run({ run }));
    await until(
      'three work at it',
      async () => (await metric('hyperskeleton_actionloop_processes{state="busy"}')) === 3,
    );
    expect(childrenOf(server.pid)).toHaveLength(3);
    gate.open();
    const seen = (await Promise.all(runs)).map(({ body }) => body.toString());
    expect(seen).toEqual(Array.from({ length: 9 }, (_, run) => `{"value":{"run":${run}}}\n`));
    await until('one is left when there is nothing to do', () => childrenOf(server.pid).length === 1);
    expect(await metric('hyperskeleton_actionloop_lost_total')).toBe(0);
    expect(await metric('hyperskeleton_actionloop_starts_total')).toBe(3);
    expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
  });

  it('many callers of several processes get their own answers, in whatever order', async () => {
    await start({ HYPERSKELETON_ACTIONLOOP_PROCESSES: '2' });
    await server.post('/init', actionLoopInit(readFileSync(await compileAction('loop_echo'))));
    const tokens = Array.from({ length: 2000 }, (_, run) => `token-${run}-${'x'.repeat(run % 50)}`);
    for (let at = 0; at < tokens.length; at += 100) {
      const some = tokens.slice(at, at + 100);
      const seen = await Promise.all(some.map((token) => server.run({ token })));
      expect(seen.map(({ body }) => body.toString())).toEqual(
        some.map((token) => `{"value":{"token":"${token}"}}\n`),
      );
    }
  });

  it('one that dies is replaced while the others serve on', async () => {
    await start({ HYPERSKELETON_ACTIONLOOP_PROCESSES: '2' });
    const each = 'case $line in *die*) kill -9 $$;; *) printf "%s\\n" "$line" >&3;; esac';
    await server.post('/init', actionLoopInit(actionLoopScript(each)));
    const runs = Array.from({ length: 40 }, (_, run) => server.run(run % 8 === 0 ? { die: 1 } : { run }));
    const seen = (await Promise.all(runs)).map(({ status, body }) => [status, body.toString()]);
    for (const [run, [status, body]] of seen.entries()) {
      if (run % 8 === 0) expect(status).toBe(400);
      // With sockets nobody knows whether a process had read what it was given when it died.
      else if (engine === 'posix_spawn' || status === 200) expect(body).toBe(`{"value":{"run":${run}}}\n`);
    }
    expect(await metric('hyperskeleton_actionloop_lost_total')).toBeGreaterThanOrEqual(5);
  });

  it('an action that opts in gets several at a time, and answers them in order', async () => {
    await start({ HYPERSKELETON_ACTIONLOOP_PIPELINE: '4' });
    // It reads four lines before it answers the first.
    const four =
      'read -r b; read -r c; read -r d; for l in "$line" "$b" "$c" "$d"; do printf "%s\\n" "$l" >&3; done';
    await server.post('/init', actionLoopInit(actionLoopScript(four)));
    const runs = Array.from({ length: 8 }, (_, run) => server.run({ run }));
    const seen = (await Promise.all(runs)).map(({ body }) => body.toString());
    expect(seen).toEqual(Array.from({ length: 8 }, (_, run) => `{"value":{"run":${run}}}\n`));
    expect(childrenOf(server.pid)).toHaveLength(1);
  });

  it('with several at a time a line too many ends the process, and nobody gets it', async () => {
    await start({ HYPERSKELETON_ACTIONLOOP_PIPELINE: '4' });
    const each = 'printf "%s\\n" "$line" >&3; case $line in *twice*) echo "[\\"extra\\"]" >&3;; esac';
    await server.post('/init', actionLoopInit(actionLoopScript(each)));
    expect((await server.run({ twice: 1 })).body.toString()).toBe('{"value":{"twice":1}}\n');
    await until(
      'it has been replaced',
      async () => (await metric('hyperskeleton_actionloop_extra_lines_total')) === 1,
    );
    for (let run = 0; run < 5; run++) {
      const { status, body } = await server.run({ run });
      if (status === 200) expect(body.toString()).toBe(`{"value":{"run":${run}}}\n`);
      else expect(errorOf({ status, body, headers: {} })).toBe('command exited');
    }
  });

  it('one that hangs past its time is ended with its group, and fails its own activation only', async () => {
    await start({ HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '400', HYPERSKELETON_TIMEOUT_GRACE_MS: '100' });
    const each =
      'case $line in *hang*) trap "" TERM; sleep 1000; sleep 1000;; *) printf "%s\\n" "$line" >&3;; esac';
    await server.post('/init', actionLoopInit(actionLoopScript(each)));
    const hanging = server.run({ hang: 1 });
    const [answer, ...others] = await Promise.all([hanging, ...[1, 2].map((run) => server.run({ run }))]);
    expect([answer.status, errorOf(answer)]).toEqual([
      504,
      'The activation exceeded its time limit of 400 milliseconds.',
    ]);
    expect(answer.headers['x-hyperskeleton-error']).toBe('run_timeout');
    // Those behind it waited for it as long, and are told the same; the next one finds a new process.
    expect(others.map(({ status }) => status)).toEqual([504, 504]);
    expect((await server.run({ run: 3 })).body.toString()).toBe('{"value":{"run":3}}\n');
    await until(
      'nothing of it is left',
      () => childrenOf(server.pid).filter((pid) => stateOf(pid) !== 'Z').length === 1,
    );
  });

  it('after thousands of activations descriptors, threads and children are as before', async () => {
    await start({ HYPERSKELETON_ACTIONLOOP_PROCESSES: '2' });
    const each = 'case $line in *die*) exit 1;; *) printf "%s\\n" "$line" >&3;; esac';
    await server.post('/init', actionLoopInit(actionLoopScript(each)));
    const some = async (count: number): Promise<void> => {
      for (let begun = 0; begun < count; begun += 20) {
        await Promise.all(
          Array.from({ length: 20 }, (_, run) => server.run(run === 0 ? { die: 1 } : { run })),
        );
      }
    };
    await some(100);
    // Each process that stays has its two pipes and what tells of its end.
    const own = (): number => 3 * childrenOf(server.pid).length;
    const count = (): number[] => {
      const [fds = 0, tasks = 0] = ['fd', 'task'].map(
        (folder) => readdirSync(`/proc/${server.pid}/${folder}`).length,
      );
      return [fds - own(), tasks];
    };
    await until('it is at rest', () => childrenOf(server.pid).length <= 2);
    const before = count();
    await some(20 * DEATHS);
    await until('no more children than processes', () => childrenOf(server.pid).length <= 2);
    // The server's own may come and go meanwhile (a connection, a thread that starts late), the same few each time.
    await until('all is as before', () =>
      count().every((number, at) => number < (before[at] as number) + DEATHS / 2),
    );
  });
});
