import { readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, eventually, holds, matches } from '../check.js';
import { M_INIT } from '../messages.js';
import { zipOf } from '../support/zip.js';
import { isAlive } from '../target/processes.js';
import { errorText, isError, resultOf } from '../verdicts.js';
import { initialized, loop, ONE, zipped } from './actionloop.js';

const { action, fresh } = casesOf('actionloop');

const EXITED = 'cannot start action: command exited';
const SOON_MS = 5000;

/** ActionLoop: how the child is started, and what comes of one that does not start. */
export const actionloopChildCases: readonly ConformanceCase[] = [
  action('C-AL-06', 'peer', 'the child has no arguments', async (server) => {
    equal('arguments', resultOf('the run', await server.sh('echo "{\\"argc\\":$#}" >&3')), { argc: 0 });
  }),

  action('C-AL-06', 'peer', 'stdin and descriptor 3 are pipes', async (server) => {
    const script = 'echo "[\\"$(readlink /proc/$$/fd/0)\\",\\"$(readlink /proc/$$/fd/3)\\"]" >&3';
    const [stdin, results] = resultOf('the run', await server.sh(script)) as string[];
    matches('stdin', stdin ?? '', /^pipe:/);
    matches('descriptor 3', results ?? '', /^pipe:/);
  }),

  action('C-AL-06', 'peer', 'the working directory is not the folder of exec', async (server) => {
    const script = 'echo "[\\"$(/bin/pwd)\\",\\"$(cd "$(dirname "$0")"; /bin/pwd)\\"]" >&3';
    const [cwd, folder] = resultOf('the run', await server.sh(script)) as string[];
    holds('cwd', cwd !== folder, 'another folder', cwd);
  }),

  fresh(
    'C-AL-07',
    'peer',
    'the environment is __OW_* of the container and env of init, nothing else',
    async (context) => {
      const server = await context.start({ env: { OTHER: 'x', __OW_A: 'container', __OW_B: 'container' } });
      const env = { __OW_B: 'init', TEXT: 'a b', EMPTY: '', NULL: null, NUMBER: 5, OBJECT: { a: [1] } };
      const script = 'echo "{\\"e\\":\\"$(base64 < /proc/$$/environ | tr -d "\\n")\\"}" >&3';
      initialized(await server.init({ code: loop(script), env }));
      const { e } = resultOf('the run', await server.run()) as { e: string };
      const entries = Buffer.from(e, 'base64').toString('utf8').split('\0').filter(Boolean);
      const variables = new Map(entries.map((entry) => entry.split(/=(.*)/s) as [string, string]));
      holds('__OW_PROXY_VERSION', variables.has('__OW_PROXY_VERSION'), 'there', [...variables.keys()]);
      for (const own of ['__OW_PROXY_VERSION', '__OW_CONFORMANCE']) variables.delete(own);
      equal('variables', Object.fromEntries([...variables].sort()), {
        ...{ EMPTY: '', NULL: 'null', NUMBER: '5', OBJECT: '{"a":[1]}', TEXT: 'a b' },
        ...{ __OW_A: 'container', __OW_B: 'init' },
      });
    },
  ),

  fresh('C-AL-08', 'better', 'a container variable with = in its value arrives whole', async (context) => {
    const server = await context.start({ env: { __OW_X: 'a=b=c' } });
    initialized(await server.init({ code: loop('echo "{\\"x\\":\\"$__OW_X\\"}" >&3') }));
    equal('__OW_X', resultOf('the run', await server.run()), { x: 'a=b=c' });
  }),

  ...(
    [
      ['a script without #!', () => ({ code: 'echo' })],
      ['a zip without exec', () => zipped({ other: 'x' })],
      ['a missing interpreter', () => ({ code: '#!/nowhere/interpreter\n' })],
    ] as const
  ).map(([what, value]) =>
    fresh('C-AL-09', 'peer', `${what} can't start: 502, not counted`, async (context) => {
      const server = await context.start();
      isError('init', await server.init(value()), 502, EXITED);
      initialized(await server.init({ code: ONE }));
      equal('the run', resultOf('the run', await server.run()), { action: 1 });
    }),
  ),

  // A child is given 5 ms: one that is slower to exit passes for started.
  fresh('C-AL-09', 'peer', 'a child that exits at once: 502, or the run is a 500', async (context) => {
    const server = await context.start();
    const answer = await server.init({ code: '#!/bin/sh\nexit 1\n' });
    if (answer.status === 502) isError('init', answer, 502, EXITED);
    else {
      initialized(answer);
      await new Promise((resolve) => setTimeout(resolve, 200));
      errorText('the run', await server.run(), 500);
    }
  }),

  ...(
    [
      ['ok is not true', '{"ok":false}', /^cannot start action: The action did not initialize properly\.$/],
      ['it is no JSON', 'hello', /^cannot start action: ./],
    ] as const
  ).map(([what, line, says]) =>
    fresh('C-AL-10', 'peer', `OW_WAIT_FOR_ACK: where ${what}, a 502`, async (context) => {
      const server = await context.start({ env: { OW_WAIT_FOR_ACK: '1' } });
      const answer = await server.init({ code: loop(':', `echo '${line}' >&3`) });
      matches('error', errorText('init', answer, 502), says);
    }),
  ),

  fresh('C-AL-10', 'peer', 'OW_WAIT_FOR_ACK: an exit instead is a 502', async (context) => {
    const server = await context.start({ env: { OW_WAIT_FOR_ACK: '1' } });
    const text = 'cannot start action: Command exited abruptly during initialization.';
    isError('init', await server.init({ code: '#!/bin/sh\nexit 1\n' }), 502, text);
  }),

  fresh('C-AL-10', 'peer', 'OW_WAIT_FOR_ACK: init waits for {"ok":true}', async (context) => {
    const server = await context.start({ env: { OW_WAIT_FOR_ACK: '1' } });
    const began = performance.now();
    const code = loop(
      'echo "{\\"ack\\":\\"$__OW_WAIT_FOR_ACK\\"}" >&3',
      'sleep 0.6\necho \'{"ok":true}\' >&3',
    );
    initialized(await server.init({ code }));
    const took = performance.now() - began;
    holds('time of init', took > 500, 'the 600 ms until the ack', `${Math.round(took)} ms`);
    equal('the run', resultOf('the run', await server.run()), { ack: '1' });
  }),

  fresh('C-AL-10', 'better', 'OW_WAIT_FOR_ACK: a child that failed is ended', async (context) => {
    const server = await context.start({ env: { OW_WAIT_FOR_ACK: '1' } });
    const file = join(context.scratch, 'pid');
    const before = `echo $$ > ${file}\necho '{"ok":false}' >&3`;
    equal('init', (await server.init({ code: loop(':', before) })).status, 502);
    const pid = Number(readFileSync(file, 'utf8'));
    await eventually('the end of the child', SOON_MS, () => !isAlive(pid));
  }),

  fresh('C-AL-11', 'peer', 'OW_EXECUTION_ENV: exec.env, trimmed, must equal it', async (context) => {
    const server = await context.start({ env: { OW_EXECUTION_ENV: 'some/env:1' } });
    const exec = loop('echo "{\\"env\\":\\"$__OW_EXECUTION_ENV\\"}" >&3');
    initialized(await server.init(zipped({ exec, 'exec.env': ' some/env:1\n' })));
    equal('the run', resultOf('the run', await server.run()), { env: 'some/env:1' });
  }),

  fresh(
    'C-AL-11',
    'peer',
    'OW_EXECUTION_ENV: another exec.env is a 502, both are on stdout',
    async (context) => {
      const server = await context.start({ env: { OW_EXECUTION_ENV: 'some/env:1' } });
      const text = 'cannot start action: Execution environment version mismatch. See logs for details.';
      isError('init', await server.init(zipped({ exec: ONE, 'exec.env': 'other/env:2\n' })), 502, text);
      const stdout = server.takeLogs().stdout.toString();
      matches('stdout', stdout, /some\/env:1/);
      matches('stdout', stdout, /other\/env:2/);
    },
  ),

  fresh('C-AL-11', 'peer', 'OW_EXECUTION_ENV: no exec.env is a 502', async (context) => {
    const server = await context.start({ env: { OW_EXECUTION_ENV: 'some/env:1' } });
    const says = /^cannot start action: open .*exec\.env: no such file or directory$/;
    matches('error', errorText('init', await server.init({ code: ONE }), 502), says);
  }),

  fresh('C-AL-12', 'peer', 'OW_LOG_INIT_ERROR: the reason and sentinels are in the logs', async (context) => {
    const server = await context.start({ env: { OW_LOG_INIT_ERROR: '1' } });
    const text = 'Cannot start action. Check logs for details.';
    isError('init', await server.init({ code: 'no script' }), 502, text);
    const { stdout, stderr } = server.takeRunLogs();
    matches('logs', stdout + stderr, /\S/);
  }),

  fresh('C-AL-12', 'better', 'OW_LOG_INIT_ERROR: for a broken archive M-INIT', async (context) => {
    const server = await context.start({ env: { OW_LOG_INIT_ERROR: '1' } });
    const zip = zipOf([{ name: 'exec', data: ONE.repeat(50), stored: true }]).subarray(0, 400);
    isError('init', await server.init({ binary: true, code: zip.toString('base64') }), 502, M_INIT);
    const { stdout, stderr } = server.takeRunLogs();
    matches('logs', stdout + stderr, /\S/);
  }),

  fresh('C-AL-06', 'peer', 'stdout and stderr are the container’s own', async (context) => {
    const server = await context.start();
    // Told by the log itself: a redirection would change what is looked at.
    initialized(await server.init({ code: loop('echo "{}" >&3', 'ls -l /proc/$$/fd') }));
    equal('the run', (await server.run()).status, 200);
    const list = server.takeRunLogs().stdout;
    for (const fd of [1, 2]) {
      const own = readlinkSync(`/proc/${server.pid}/fd/${fd}`);
      holds(`descriptor ${fd}`, list.includes(` ${fd} -> ${own}\n`), own, list);
    }
  }),
];
