import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../support/actionloop-server.js';
import { RawConnection } from '../support/raw-http.js';
import { ENGINES, type RunServer } from '../support/run-server.js';
import { Gate, isAlive, until } from '../support/waiting.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

async function endOf(process: ChildProcess): Promise<{ code: number | null; signal: string | null }> {
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  return { code: process.exitCode, signal: process.signalCode };
}

describe.each(['forkserver', 'posix_spawn', 'child_process'])(
  'a worker thread that is stuck (%s)',
  (engine) => {
    let folder: string;
    let child: ChildProcess;
    afterEach(() => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });

    it.each(['loop', 'wait', 'read'])(
      'C-SRV-11: in a %s, SIGTERM ends the server, and what it ran is killed and answered',
      async (way) => {
        folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-stuck-'));
        const gate = new Gate(folder);
        const exec = join(folder, 'exec');
        await writeFile(exec, `#!/bin/sh\necho $$ > "${folder}/pid"\n${gate.wait}\necho "{}"\n`);
        await chmod(exec, 0o755);
        child = spawn(
          process.execPath,
          [
            '--import',
            fixture('stuck-worker.mjs'),
            fixture('pool-harness.mjs'),
            folder,
            engine,
            'classic',
            '300',
          ],
          { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] },
        );
        const [{ port }] = (await once(child, 'message')) as [{ port: number }];
        const run = fetch(`http://127.0.0.1:${port}/run`, { method: 'POST', body: '{}' });
        await gate.arrivals(1);
        child.send({ way, fifo: join(folder, 'stuck.fifo') });
        await once(child, 'message');
        child.kill('SIGTERM');
        const answer = await run;
        expect([answer.status, answer.headers.get('x-hyperskeleton-cause')]).toEqual([
          500,
          'run_shutdown_killed',
        ]);
        // Its own supervisor did not answer: that is no good order.
        expect(await endOf(child)).toEqual({ code: 1, signal: null });
        gate.open();
      },
    );
  },
);

describe.each(ENGINES)('a shutdown (%s)', (engine) => {
  let server: RunServer;
  afterEach(() => server.stop());

  it('C-SRV-11: is not held up by ActionLoop processes that ignore every signal, nor by half a request', async () => {
    server = await startActionLoopServer({ engine, env: { HYPERSKELETON_GRACE_MS: '300' } });
    const gate = new Gate(server.folder);
    const code = actionLoopScript(`${gate.wait}; echo "{}" >&3`, 'trap "" TERM INT HUP');
    await server.post('/init', actionLoopInit(code));
    const half = await RawConnection.open(server.port);
    half.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"value"');
    const run = server.run();
    await gate.arrivals(1);
    server.process.kill('SIGTERM');
    const answer = await run;
    expect([answer.status, answer.headers['x-hyperskeleton-cause']]).toEqual([500, 'run_shutdown_killed']);
    expect(await endOf(server.process)).toEqual({ code: 0, signal: null });
    half.close();
    gate.open();
  });

  it('C-SRV-11: is not held up by an ActionLoop process that is at rest and ignores every signal', async () => {
    server = await startActionLoopServer({
      engine,
      env: { HYPERSKELETON_GRACE_MS: '100', HYPERSKELETON_TIMEOUT_GRACE_MS: '100000' },
    });
    const code =
      '#!/bin/sh\ntrap "" TERM INT HUP\nwhile read -r line; do echo "[$$]" >&3; done\n/bin/sleep 1000\n';
    await server.post('/init', actionLoopInit(code));
    const [pid] = JSON.parse((await server.run()).body.toString()) as [number];
    server.process.kill('SIGTERM');
    expect((await endOf(server.process)).code).toBe(0);
    await until('the process has ended too', () => !isAlive(pid));
  });
});
