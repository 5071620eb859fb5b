import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, eventually, holds } from '../check.js';
import { signal, ticksOf } from '../target/processes.js';
import { RawConnection } from '../target/raw-connection.js';
import { resultOf } from '../verdicts.js';
import { printed, printer } from './init-environment.js';

const { action, fresh } = casesOf('classic');

const SOON_MS = 5000;
const START_MS = 20_000;
const REST_MS = 1000;
const REST_TICKS = 10;
const FROZEN_MS = 2500;

const CONTEXT = {
  namespace: 'guest',
  action_name: '/guest/package/hello',
  action_version: '0.0.1',
  activation_id: '2f3d8c5bd4a54a2fbd8c5bd4a5fa2f6b',
  transaction_id: 'TQYDVBOLHvQpPHcB1bdYHRbYV2sQZgYy',
  deadline: '1800000000000',
  api_key: '23bc46b1-71f6-4ed5-8c54-816aa4f8c502:key',
};
const VARIABLES = Object.keys(CONTEXT).map((key) => `__OW_${key.toUpperCase()}`);

/** The platform: what an invoker does, as far as a runtime can show that it stands it. */
export const platformCases: readonly ConformanceCase[] = [
  fresh('C-PLAT-02', 'peer', 'idle: TCP pings do no harm, and the server is at rest', async (context) => {
    const server = await context.start();
    equal('init', (await server.init({ code: '#!/bin/sh\necho "{}"\n' })).status, 200);
    for (let count = 0; count < 3; count++) (await RawConnection.open(server.host, server.port)).close();
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const before = ticksOf(server.pid);
    await new Promise((resolve) => setTimeout(resolve, REST_MS));
    const ticks = ticksOf(server.pid) - before;
    holds('processor time in 1 s', ticks <= REST_TICKS, `at most ${REST_TICKS * 10} ms`, `${ticks * 10} ms`);
    equal('the run', (await server.run()).status, 200);
  }),

  fresh(
    'C-PLAT-03',
    'peer',
    'the first connection that is not refused gets its init, and the run after it',
    async (context) => {
      const server = await context.start({ early: true });
      const deadline = Date.now() + START_MS;
      for (;;) {
        const answer = await server
          .init({ code: '#!/bin/sh\necho \'{"a":1}\'\n' })
          .catch((error: unknown) => {
            const refused = (error as { code?: string }).code === 'ECONNREFUSED';
            if (!refused || Date.now() > deadline) throw error;
            return undefined;
          });
        if (answer === undefined) {
          await new Promise((resolve) => setTimeout(resolve, 10));
          continue;
        }
        equal('init', answer.status, 200);
        break;
      }
      equal('the run', resultOf('the run', await server.run()), { a: 1 });
    },
  ),

  action('C-PLAT-04', 'peer', 'many requests, each on a connection of its own', async (server) => {
    for (let n = 0; n < 30; n++)
      equal('the run', resultOf('the run', await server.sh(`echo '{"n":${n}}'`)), { n });
  }),

  fresh(
    'C-PLAT-05',
    'peer',
    'an invoker’s init and run: the whole context is in the environment',
    async (context) => {
      const server = await context.start({ env: { __OW_API_HOST: 'https://host' } });
      const init = {
        ...{ name: 'hello', main: 'main', binary: false, code: printer(...VARIABLES, '__OW_API_HOST') },
        env: { __OW_NAMESPACE: 'guest', __OW_ACTION_NAME: '/guest/package/hello' },
      };
      equal('init', (await server.init(init)).status, 200);
      const values = printed(resultOf('the run', await server.run({}, CONTEXT)));
      equal('variables', values, [...Object.values(CONTEXT), 'https://host']);
    },
  ),

  action('C-PLAT-07', 'peer', 'an answer of more than 1 MB says how long it is', async (server) => {
    const answer = await server.sh(`printf '{"r":"'; head -c 1100000 /dev/zero | tr '\\0' r; echo '"}'`);
    equal('status', answer.status, 200);
    equal('Content-Length', answer.headers['content-length'], String(answer.body.length));
  }),

  fresh(
    'C-PLAT-08',
    'peer',
    'frozen during a run and thawed: the run ends as if nothing had been',
    async (context) => {
      const server = await context.start();
      await server.install('#!/bin/sh\nsleep 0.5\necho log\necho \'{"thawed":true}\'\n');
      const run = server.run();
      await new Promise((resolve) => setTimeout(resolve, 200));
      // As near as signals come to the freezer of a container: every process of it.
      const frozen = new Set([server.pid, ...server.processes()]);
      for (const pid of frozen) signal(pid, 'SIGSTOP');
      await new Promise((resolve) => setTimeout(resolve, FROZEN_MS));
      for (const pid of frozen) signal(pid, 'SIGCONT');
      equal('the run', resultOf('the run', await run), { thawed: true });
      equal('its log', server.takeRunLogs(), { stdout: 'log\n', stderr: '' });
      equal('the next run', resultOf('the run', await server.run()), { thawed: true });
    },
  ),

  fresh('C-PLAT-09', 'better', '__OW_ALLOW_CONCURRENT=true: runs overlap', async (context) => {
    const server = await context.start({ env: { __OW_ALLOW_CONCURRENT: 'true' } });
    await server.install('#!/bin/sh\n: > "here-$$"\nwhile [ ! -e go ]; do sleep 0.05; done\necho "{}"\n');
    const runs = [server.run(), server.run()];
    await eventually('two actions at once', SOON_MS, () => {
      const here = readdirSync(server.actionRoot).filter((name) => name.startsWith('here-')).length;
      if (here === 2) writeFileSync(join(server.actionRoot, 'go'), '');
      return here === 2;
    });
    for (const answer of await Promise.all(runs)) equal('a run', answer.status, 200);
  }),

  fresh('C-PLAT-10', 'peer', '10 MB of log and 1 MB of arguments and result', async (context) => {
    const server = await context.start();
    const lines = 100_000;
    await server.install(`#!/bin/sh\nyes ${'l'.repeat(99)} | head -n ${lines}\ncat\n`);
    const value = { text: 'x'.repeat(999_000) };
    equal('the run', resultOf('the run', await server.run(value)), value);
    const { stdout } = server.takeRunLogs();
    equal('bytes of log', stdout.length, lines * 100);
  }),

  fresh('C-PLAT-11', 'better', 'SIGTERM while idle: the server exits 0 at once', async (context) => {
    const server = await context.start();
    equal('a run', (await server.run()).status, 200);
    server.takeLogs();
    server.signal('SIGTERM');
    await eventually('the exit', SOON_MS, () => server.exitCode !== undefined);
    equal('exit status', server.exitCode, 0);
    const { stdout, stderr } = server.takeLogs();
    equal('logs', [stdout.toString(), stderr.toString()], ['', '']);
  }),
];
