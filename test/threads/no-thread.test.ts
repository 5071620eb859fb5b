import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Gate, until } from '../support/waiting.js';

const HARNESS = fileURLToPath(new URL('../fixtures/pool-harness.mjs', import.meta.url));

/**
 * The system refuses threads as it does where there are no processes left: the constructor of a Worker throws. Or a thread
 * starts and can't set itself up, as where there are no descriptors left.
 */
describe.each(['forkserver', 'posix_spawn', 'child_process'])(
  'worker threads that can not be started (%s)',
  (engine) => {
    let folder: string;
    let log: string;
    let child: ChildProcess;
    let port: number;

    beforeEach(async () => {
      folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-pool-'));
      log = join(folder, 'server.log');
      child = spawn(process.execPath, [HARNESS, folder, engine, 'classic', '25000', '4', log], {
        stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      });
      [{ port }] = (await once(child, 'message')) as [{ port: number }];
    });
    afterEach(() => {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    });
    const run = (): Promise<Response> =>
      fetch(`http://127.0.0.1:${port}/run`, { method: 'POST', body: '{}' });
    const tell = async (message: string): Promise<void> => {
      child.send(message);
      await once(child, 'message');
    };

    it.each(['refuse-threads', 'break-threads'])(
      'fail no run: the thread that lives has them all, and the failure is counted and logged (%s)',
      async (way) => {
        await tell(way);
        const gate = new Gate(folder);
        await writeFile(join(folder, 'exec'), `#!/bin/sh\n${gate.wait}\necho "{}"\n`);
        await chmod(join(folder, 'exec'), 0o755);
        const runs = Array.from({ length: 6 }, run);
        await gate.arrivals(6);
        gate.open();
        expect((await Promise.all(runs)).map(({ status }) => status)).toEqual(runs.map(() => 200));
        await until('the failure is counted', async () =>
          /^hyperskeleton_worker_start_failures_total [1-9]/m.test(
            await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
          ),
        );
        expect(readFileSync(log, 'utf8')).toContain('a worker thread could not be started');
      },
    );

    it.each(['refuse-threads', 'break-threads'])(
      'where the only one has died, runs wait until another can be started (%s)',
      async (way) => {
        await writeFile(join(folder, 'exec'), '#!/bin/sh\necho "{}"\n');
        await chmod(join(folder, 'exec'), 0o755);
        expect((await run()).status).toBe(200);
        await tell(way);
        child.send('kill-worker');
        await until('it is lost', async () =>
          /^hyperskeleton_workers_lost_total 1$/m.test(
            await (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
          ),
        );
        const waiting = run();
        await tell('allow-threads');
        expect((await waiting).status).toBe(200);
      },
    );
  },
);
