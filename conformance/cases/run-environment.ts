import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, eventually, holds } from '../check.js';
import { M_NOBIN } from '../messages.js';
import { isAlive, signal } from '../target/processes.js';
import type { Answer } from '../target/server.js';
import { errorText, isError, resultOf } from '../verdicts.js';
import { printed, printer } from './init-environment.js';

const { action, logged, fresh } = casesOf('classic');

const GOOD = '#!/bin/sh\necho \'{"good":true}\'\n';
const SOON_MS = 5000;

/** A script for the toolbox that answers these variables; see {@link printer}. */
function show(...names: readonly string[]): string {
  return printer(...names).replace('#!/bin/sh\n', '');
}

function values(answer: Answer): (string | null)[] {
  return printed(resultOf('the run', answer));
}

/** POST /run: environment, working directory, the process of a run. */
export const runEnvironmentCases: readonly ConformanceCase[] = [
  action(
    'C-RUN-08',
    'peer',
    'each key of the body but value is __OW_ and the key in capitals',
    async (server) => {
      const context = { activation_id: 'id 1', deadline: '1800000000000', empty: '', namespace: 'grüße' };
      const script = show(
        '__OW_ACTIVATION_ID',
        '__OW_DEADLINE',
        '__OW_EMPTY',
        '__OW_NAMESPACE',
        '__OW_VALUE',
      );
      const expected = ['id 1', '1800000000000', '', 'grüße', null];
      equal('variables', values(await server.sh(script, context)), expected);
    },
  ),

  fresh('C-RUN-08', 'peer', 'the server’s own environment reaches the action, PATH too', async (context) => {
    const server = await context.start({ env: { __OW_API_HOST: 'https://host', CONTAINER: 'a=b' } });
    await server.install(printer('__OW_API_HOST', 'CONTAINER', 'PATH'));
    const [host, container, path] = values(await server.run());
    equal('variables', [host, container], ['https://host', 'a=b']);
    holds('PATH', (path ?? '') !== '', 'a path', path);
  }),

  fresh('C-RUN-08', 'better', 'only the server’s own settings do not reach the action', async (context) => {
    const env = {
      HYPERSKELETON_GRACE_MS: '1000',
      NODE_OPTIONS: '--no-warnings',
      OTEL_X: 'x',
    };
    const server = await context.start({ env });
    await server.install(printer(...Object.keys(env)));
    equal('variables', values(await server.run()), [null, '--no-warnings', 'x']);
  }),

  action('C-RUN-09', 'peer', 'the keys of activation are used instead of the body’s', async (server) => {
    const context = {
      namespace: 'body',
      only_body: 'x',
      activation: { namespace: 'inner', only_inner: 'y' },
    };
    const script = show('__OW_NAMESPACE', '__OW_ONLY_BODY', '__OW_ONLY_INNER', '__OW_ACTIVATION');
    equal('variables', values(await server.sh(script, context)), ['inner', null, 'y', null]);
  }),

  action('C-RUN-09', 'peer', 'activation: null means no such variable', async (server) => {
    const answer = await server.sh(show('__OW_CONF_NULL'), { conf_null: 'body', activation: null });
    equal('variable', values(answer), [null]);
  }),

  action(
    'C-RUN-10',
    'better',
    'context values that are no strings arrive as JSON text, null empty',
    async (server) => {
      const context = { number: 1800000000000, yes: true, nothing: null, object: { a: [1] } };
      const script = show('__OW_NUMBER', '__OW_YES', '__OW_NOTHING', '__OW_OBJECT');
      const [number, yes, nothing, object] = values(await server.sh(script, context));
      equal('plain values', [number, yes, nothing], ['1800000000000', 'true', '']);
      equal('the object', JSON.parse(object ?? ''), { a: [1] });
    },
  ),

  ...(
    [
      ['a name with =', { 'a=b': 'x' }],
      ['a name with NUL', { 'a\0b': 'x' }],
      ['a value with NUL', { conf_nul: 'a\0b' }],
    ] as const
  ).map(([what, context]) =>
    logged('C-RUN-11', 'better', `${what} is a 400 with sentinels`, async (server) => {
      server.takeLogs();
      errorText('the run', await server.sh('echo "{}"', context), 400);
      server.takeRunLogs();
    }),
  ),

  logged('C-RUN-11', 'better', 'activation of another type is a 400 with sentinels', async (server) => {
    server.takeLogs();
    errorText('the run', await server.sh('echo "{}"', { activation: 5 }), 400);
    server.takeRunLogs();
  }),

  action('C-RUN-12', 'better', 'a run sees nothing of an earlier run’s context', async (server) => {
    const script = show('__OW_CONF_SECRET', '__OW_API_KEY');
    const first = await server.sh(script, { conf_secret: 's', api_key: 'k' });
    equal('the first run', values(first), ['s', 'k']);
    equal('the second run', values(await server.sh(script)), [null, null]);
  }),

  action(
    'C-RUN-13',
    'peer',
    'the working directory is the folder of exec, and PWD says so',
    async (server) => {
      const script =
        'echo "{\\"cwd\\":\\"$(/bin/pwd)\\",\\"pwd\\":\\"$PWD\\",\\"exec\\":\\"$(dirname "$0")\\"}"';
      const { cwd, pwd, exec } = resultOf('the run', await server.sh(script)) as Record<string, string>;
      equal('cwd and PWD', [cwd, pwd], [exec, exec]);
    },
  ),

  action('C-RUN-13', 'peer', 'files written there stay for later runs', async (server) => {
    const name = `conformance-${process.pid}-${Date.now()}`;
    await server.sh(`echo '{"kept":true}' > ${name}; echo "{}"`);
    equal('the second run', resultOf('the run', await server.sh(`cat ${name}; rm ${name}`)), { kept: true });
  }),

  action('C-RUN-14', 'peer', 'each run is a new process', async (server) => {
    const pid = async (): Promise<unknown> => resultOf('the run', await server.sh('echo "{\\"pid\\":$$}"'));
    const first = await pid();
    const second = await pid();
    holds('pids of two runs', !isDeepStrictEqual(first, second), 'two', [first, second]);
  }),

  action('C-RUN-14', 'peer', 'no signal is ignored or blocked', async (server) => {
    const script =
      'set -- $(sed -n "s/^Sig\\(Ign\\|Blk\\):[[:space:]]*//p" /proc/$$/status); echo "[\\"$1\\",\\"$2\\"]"';
    const masks = resultOf('the run', await server.sh(script)) as string[];
    // The shell itself ignores none in a script.
    equal('SigBlk and SigIgn', masks, ['0000000000000000', '0000000000000000']);
  }),

  logged('C-RUN-14', 'peer', 'no descriptor beyond 0 to 2 is inherited', async (server) => {
    server.takeLogs();
    // Told by the log: a redirection or a pipe would show up among the shell's own descriptors.
    equal('status', (await server.sh('ls -l /proc/$$/fd; echo "{}"')).status, 200);
    const descriptors = [...server.takeRunLogs().stdout.matchAll(/ (\d+) -> (.*)$/gm)];
    // One is the shell's own, for the script.
    const others = descriptors.filter(([, fd, target]) => Number(fd) > 2 && !target?.endsWith('/exec'));
    holds('descriptors', descriptors.length >= 3, 'at least three', descriptors.length);
    equal('descriptors beyond 0 to 2', others.map(String), []);
  }),

  action('C-RUN-14', 'better', 'a run has a process group of its own', async (server) => {
    const script = 'set -- $(sed "s/.*) //" /proc/$$/stat); echo "{\\"pid\\":$$,\\"group\\":$3}"';
    const { pid, group } = resultOf('the run', await server.sh(script)) as { pid: number; group: number };
    equal('process group', group, pid);
  }),

  fresh(
    'C-RUN-15',
    'peer',
    'exec missing, a folder, or not executable: 502 M-NOBIN and sentinels',
    async (context) => {
      const server = await context.start();
      const spoil: readonly (readonly [string, () => void])[] = [
        ['missing', () => rmSync(server.exec)],
        ['a folder', () => mkdirSync(server.exec)],
        [
          'not executable',
          () => {
            rmSync(server.exec, { recursive: true });
            writeFileSync(server.exec, GOOD, { mode: 0o644 });
          },
        ],
      ];
      equal('the run before', (await server.run()).status, 200);
      for (const [what, change] of spoil) {
        change();
        server.takeLogs();
        isError(`a run with exec ${what}`, await server.run(), 502, M_NOBIN);
        server.takeRunLogs();
      }
      chmodSync(server.exec, 0o755);
      equal('the run after', resultOf('the run', await server.run()), { good: true });
    },
  ),

  fresh('C-RUN-15', 'peer', 'exec that is replaced on disk is what runs next', async (context) => {
    const server = await context.start();
    equal('init', (await server.init({ code: GOOD })).status, 200);
    equal('the run', resultOf('the run', await server.run()), { good: true });
    await server.install('#!/bin/sh\necho \'{"new":true}\'\n');
    equal('the next run', resultOf('the run', await server.run()), { new: true });
  }),

  fresh('C-RUN-25', 'peer', 'a background process without the run’s pipes lives on', async (context) => {
    const server = await context.start();
    await server.install('#!/bin/sh\nsleep 30 > /dev/null 2>&1 &\necho $! > pid\necho "{}"\n');
    const began = performance.now();
    equal('the run', (await server.run()).status, 200);
    holds('time', performance.now() - began < SOON_MS, 'at once', `${performance.now() - began} ms`);
    const pid = Number(readFileSync(join(server.actionRoot, 'pid'), 'utf8'));
    await server.run();
    holds('the process', isAlive(pid), 'alive after the next run', 'gone');
    signal(pid, 'SIGKILL');
    await eventually('its end', SOON_MS, () => !isAlive(pid));
  }),
];
