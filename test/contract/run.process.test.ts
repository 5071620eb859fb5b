import { readFileSync } from 'node:fs';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileAction, type Probe, readProbe, variablesOf } from '../support/run-programs.js';
import { type Answer, ENGINES, RunServer } from '../support/run-server.js';
import { Collected, childrenOf, end, Gate, isAlive, until } from '../support/waiting.js';

const M_NOBIN = 'The action failed to locate a binary. See logs for details.';
const M_RESULT = 'The action did not return a dictionary or array.';

describe.each(ENGINES)('process of a run (%s)', (engine) => {
  let server: RunServer;
  let probe: string;

  beforeAll(async () => {
    probe = await compileAction('probe');
    server = await RunServer.start({
      engine,
      // What a server may have inherited from its parent: ignored signals, and descriptors.
      launcher: 'trap \'\' HUP INT USR1 PIPE; exec "$@"',
      inherited: [3, 4, 40],
    });
  });
  afterAll(() => server.stop());
  beforeEach(() => {
    server.takeLogs();
  });

  async function probed(): Promise<Probe> {
    await server.installProgram(probe);
    return readProbe((await server.run()).body);
  }

  it('C-RUN-13: the working directory is the action folder, and PWD says so', async () => {
    const seen = await probed();
    expect(seen.cwd).toBe(server.actionRoot);
    expect(variablesOf(seen).get('PWD')).toBe(server.actionRoot);
  });

  it('C-RUN-13: files written there stay for later runs', async () => {
    await server.install('#!/bin/sh\necho x >> kept\nwc -l < kept | sed \'s/.*/{"runs":&}/\'\n');
    expect((await server.run()).body.toString()).toBe('{"runs":1}');
    expect((await server.run()).body.toString()).toBe('{"runs":2}');
  });

  it('C-RUN-14: each run is a new process, the server’s child', async () => {
    const [first, second] = [await probed(), await probed()];
    expect(second.pid).not.toBe(first.pid);
    expect([first.parent, second.parent]).toEqual([server.pid, server.pid]);
  });

  it('C-RUN-14: each run has a process group of its own', async () => {
    const seen = await probed();
    expect(seen.group).toBe(seen.pid);
  });

  it('posix_spawn leaves a run in the server’s session, child_process gives it one of its own', async () => {
    const seen = await probed();
    const serverSession = Number(
      readFileSync(`/proc/${server.pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[3],
    );
    expect(seen.session).toBe(engine === 'child_process' ? seen.pid : serverSession);
  });

  it('C-RUN-14: signals are at their defaults and none is blocked, though the server ignores some', async () => {
    const ignoredByServer = /SigIgn:\s*([0-9a-f]+)/.exec(
      readFileSync(`/proc/${server.pid}/status`, 'latin1'),
    )?.[1];
    expect(ignoredByServer).not.toBe('0000000000000000');
    const { status, notDefault } = await probed();
    expect(notDefault).toEqual([]);
    expect(status).toMatchObject({
      SigBlk: '0000000000000000',
      SigIgn: '0000000000000000',
      SigCgt: '0000000000000000',
    });
  });

  // Node's child_process closes none of what the server itself inherited without close-on-exec.
  const closesInherited = engine !== 'child_process';

  it.runIf(closesInherited)(
    'C-RUN-14: no descriptor beyond 0, 1 and 2, and those wait as programs expect',
    async () => {
      const { descriptors } = await probed();
      expect(descriptors).toEqual([
        { fd: 0, nonBlocking: false },
        { fd: 1, nonBlocking: false },
        { fd: 2, nonBlocking: false },
      ]);
    },
  );

  it.runIf(closesInherited)('C-RUN-14: none either while other runs are in flight', async () => {
    const gate = new Gate(server.actionRoot);
    await server.install(`#!/bin/sh\n${gate.wait}\nexec ${probe}\n`);
    const answers = Array.from({ length: 8 }, () => server.run());
    await gate.arrivals(8);
    const during = await probed();
    gate.open();
    const all = [during, ...(await Promise.all(answers)).map(({ body }) => readProbe(body))];
    for (const { descriptors } of all) expect(descriptors.map(({ fd }) => fd)).toEqual([0, 1, 2]);
  });

  // Node's child_process makes sockets of the streams, and those can't be opened by name.
  it.runIf(engine !== 'child_process')(
    'C-RUN-14: the streams can be opened by their names in /dev',
    async () => {
      await server.install(
        '#!/bin/sh\necho out > /dev/stdout\necho err > /dev/stderr\nread -r line < /dev/stdin\necho "$line" >> /dev/stdout\n',
      );
      expect((await server.run({ a: 1 })).body.toString()).toBe('{"a":1}');
      expect(server.takeRunLogs()).toEqual({ stdout: 'out\n', stderr: 'err\n' });
    },
  );

  describe('the executable is looked for at each run', () => {
    async function expectNoBinary(): Promise<void> {
      const answer = await server.run();
      expect(answer.status).toBe(502);
      expect(JSON.parse(answer.body.toString())).toEqual({ error: M_NOBIN });
      server.takeRunLogs();
    }

    beforeEach(async () => {
      await rm(server.exec, { recursive: true, force: true });
      await server.install('#!/bin/sh\necho \'{"was":"there"}\'\n');
      expect((await server.run()).status).toBe(200);
      server.takeLogs();
    });

    it('C-RUN-15: missing: 502 M-NOBIN, sentinels; there again: served', async () => {
      await rename(server.exec, `${server.exec}.away`);
      await expectNoBinary();
      await rename(`${server.exec}.away`, server.exec);
      expect((await server.run()).status).toBe(200);
    });

    it('C-RUN-15: a folder: 502 M-NOBIN, sentinels', async () => {
      await rm(server.exec);
      await mkdir(server.exec);
      await expectNoBinary();
    });

    it('C-RUN-15: not executable: 502 M-NOBIN, sentinels', async () => {
      await server.install('#!/bin/sh\necho "{}"\n', 0o644);
      await expectNoBinary();
    });

    it('C-RUN-15: a link to nothing: 502 M-NOBIN, sentinels', async () => {
      await rm(server.exec);
      await symlink('nowhere', server.exec);
      await expectNoBinary();
    });

    it('C-RUN-15: a link to a program runs', async () => {
      await server.install('#!/bin/sh\necho "{}"\n');
      await rename(server.exec, join(server.actionRoot, 'real'));
      await symlink('real', server.exec);
      expect((await server.run()).status).toBe(200);
    });

    it('C-RUN-15: replaced on disk: the very next run is the new one', async () => {
      for (let version = 0; version < 10; version++) {
        await server.install(`#!/bin/sh\necho '{"version":${version}}'\n`);
        expect((await server.run()).body.toString()).toBe(`{"version":${version}}`);
      }
    });

    it('C-RUN-15: overwritten in place: the very next run is the new one', async () => {
      await writeFile(server.exec, '#!/bin/sh\necho \'{"over":"written"}\'\n');
      expect((await server.run()).body.toString()).toBe('{"over":"written"}');
    });
  });

  describe('what outlives exec', () => {
    /** Pids in the answer, by name; a test ends what it left. */
    const pidsIn = (answer: Answer): Record<string, number> =>
      JSON.parse(answer.body.toString()) as Record<string, number>;

    it('C-RUN-25: a background child that holds both streams does not hold the answer', async () => {
      await server.install('#!/bin/sh\nsleep 60 &\necho "{\\"child\\":$!}"\n');
      const { child } = pidsIn(await server.run());
      expect(isAlive(child as number)).toBe(true);
      end(child as number);
    });

    it('C-RUN-25: neither does a daemon, forked twice into a session of its own', async () => {
      await server.installProgram(await compileAction('daemonize'));
      const { daemon } = pidsIn(await server.run());
      expect(isAlive(daemon as number)).toBe(true);
      end(daemon as number);
    });

    it('C-RUN-25: all that exec itself wrote is read, with a background child too', async () => {
      await server.install(
        '#!/bin/sh\nsleep 60 &\nhead -c 1000000 /dev/zero | tr "\\\\0" x\necho\necho "{\\"child\\":$!}"\n',
      );
      for (let round = 0; round < 5; round++) {
        const answer = await server.run();
        expect(answer.status).toBe(200);
        expect(server.takeRunLogs().stdout).toBe(`${'x'.repeat(1_000_000)}\n`);
        end(pidsIn(answer).child as number);
      }
    });

    it('C-RUN-25: a stray child loses its pipes, and what it writes is in nobody’s log', async () => {
      // It begins to write well after exec has gone: before that, its lines would be the run's own.
      await server.install(
        `#!/bin/sh
(trap "" PIPE
while kill -0 $$ 2>/dev/null; do sleep 0.05; done
sleep 0.3
while echo stray 2>/dev/null; do sleep 0.05; done
: > lost) &
echo "{\\"child\\":$!}"
`,
      );
      const { child } = pidsIn(await server.run());
      await until('the stray child has lost its stdout', () => !isAlive(child as number));
      await readFile(join(server.actionRoot, 'lost'));
      server.takeLogs();
      await server.install('#!/bin/sh\necho mine\necho "{}"\n');
      await server.run();
      expect(server.takeRunLogs()).toEqual({ stdout: 'mine\n', stderr: '' });
    });

    it('C-RUN-25: a child whose streams are redirected lives on into later runs', async () => {
      await server.install('#!/bin/sh\nsleep 60 </dev/null >/dev/null 2>&1 &\necho "{\\"child\\":$!}"\n');
      const { child } = pidsIn(await server.run());
      await server.install('#!/bin/sh\necho "{}"\n');
      for (let round = 0; round < 3; round++) await server.run();
      expect(isAlive(child as number)).toBe(true);
      end(child as number);
    });

    it('C-RUN-25: bash with its output through tee: the result is never lost', async () => {
      await server.install('#!/bin/bash\nexec > >(tee log)\necho line\necho \'{"through":"tee"}\'\n');
      for (let round = 0; round < 20; round++) {
        const answer = await server.run();
        expect([answer.status, answer.body.toString()]).toEqual([200, '{"through":"tee"}']);
        expect(server.takeRunLogs().stdout).toBe('line\n');
      }
    });

    it('C-RUN-25: a result that comes after exec has exited is waited for', async () => {
      await server.install('#!/bin/sh\n(sleep 0.3; echo \'{"late":true}\') &\n');
      const answer = await server.run();
      expect([answer.status, answer.body.toString()]).toEqual([200, '{"late":true}']);
    });

    it('C-RUN-25: exec that closes its streams and lives on is answered when it exits', async () => {
      const gate = new Gate(server.actionRoot);
      await server.install(
        `#!/bin/sh\necho '{"closed":true}'\nexec >/dev/null 2>&1 <&-\n${gate.wait}\n: > finished\n`,
      );
      let answered = false;
      const running = server.run().finally(() => {
        answered = true;
      });
      await gate.arrivals(1);
      // Another run is served meanwhile: nobody waits for this process.
      await server.install('#!/bin/sh\necho "{}"\n');
      expect((await server.run()).status).toBe(200);
      expect(answered).toBe(false);
      gate.open();
      expect((await running).body.toString()).toBe('{"closed":true}');
      await readFile(join(server.actionRoot, 'finished'));
    });
  });
});

describe.each(ENGINES)('waiting for leftover processes (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine, env: { HYPERSKELETON_DRAIN_MS: '200' } });
  });
  afterAll(() => server.stop());

  it('C-RUN-25: without a result, streams held open are waited for up to HYPERSKELETON_DRAIN_MS, then judged', async () => {
    await server.install('#!/bin/sh\nsleep 60 &\necho $! > child\necho "no result"\n');
    const answer = await server.run();
    const child = Number(await readFile(join(server.actionRoot, 'child'), 'utf8'));
    expect(isAlive(child)).toBe(true);
    end(child);
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([502, { error: M_RESULT }]);
    expect(server.takeRunLogs().stdout).toBe('no result\n');
  });
});

// Node starts processes with its own limit.
const SETTING_LIMITS = ENGINES.filter((engine) => engine !== 'child_process');

describe.each(SETTING_LIMITS)('limits of a run (%s)', (engine) => {
  it('a run has the soft limit of open files that the server was started with', async () => {
    const server = await RunServer.start({ engine, launcher: 'ulimit -Sn 777; exec "$@"' });
    try {
      await server.installProgram(await compileAction('probe'));
      expect(readProbe((await server.run()).body).openFilesSoft).toBe(777);
    } finally {
      await server.stop();
    }
  });
});

describe.each(ENGINES)('shutdown with processes that will not end (%s)', (engine) => {
  it('C-SRV-11: an action and its child that ignore SIGTERM are killed after the grace period', async () => {
    const server = await RunServer.start({ engine, logs: 'pipes', env: { HYPERSKELETON_GRACE_MS: '200' } });
    try {
      const [stdout, stderr] = [new Collected(server.stdout), new Collected(server.stderr)];
      await server.install(
        '#!/bin/sh\ntrap "" TERM\n(while :; do sleep 1; done) &\necho "pids $$ $! end"\nwhile :; do sleep 1; done\n',
      );
      const running = server.run();
      const settled = running.catch((error: unknown) => error);
      // Its first line can't be its last: another must come before it is told from the result.
      // A template that is being made is a child of the server too, but has none of its own.
      const parents = (): number[] => childrenOf(server.pid).filter((pid) => childrenOf(pid).length > 0);
      await until('the action and its child run', () => parents().length > 0);
      const [action] = parents() as [number];
      const [child] = childrenOf(action) as [number];
      server.process.kill('SIGTERM');
      const answer = (await settled) as Answer;
      expect(answer.status).toBe(500);
      expect(answer.headers['x-hyperskeleton-error']).toBe('run_shutdown_killed');
      await stdout.waitFor('XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n');
      await stderr.waitFor('XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n');
      await until('the server has ended', () => server.process.exitCode !== null);
      expect(server.process.exitCode).toBe(0);
      await until('both are gone', () => [action, child].every((pid) => !isAlive(pid)));
    } finally {
      await server.stop();
    }
  });
});
