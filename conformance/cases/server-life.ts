import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, eventually, holds } from '../check.js';
import { FILE, zipOf } from '../support/zip.js';
import { childrenOf, isAlive, stateOf } from '../target/processes.js';
import { errorText, resultOf } from '../verdicts.js';

const { wire, action, fresh } = casesOf('classic');

const MEGABYTE = 1_000_000;
const AT_ONCE = 20;
const SOON_MS = 5000;

/** Server and HTTP: sizes, requests at the same time, the end of the server. */
export const serverLifeCases: readonly ConformanceCase[] = [
  fresh('C-SRV-09', 'peer', 'an init of 64 MB of base64: a zip of 48 MB', async (context) => {
    const server = await context.start();
    const noise = randomBytes(47 * MEGABYTE);
    const script = '#!/bin/sh\nset -- $(wc -c < data)\necho "{\\"bytes\\":$1}"\n';
    const zip = zipOf([
      { name: 'exec', data: script, mode: FILE | 0o755 },
      { name: 'data', data: noise, stored: true },
    ]);
    equal('init', (await server.init({ binary: true, code: zip.toString('base64') })).status, 200);
    equal('the run', resultOf('the run', await server.run()), { bytes: noise.length });
  }),

  fresh('C-SRV-09', 'peer', '5 MB of arguments and 5 MB of result', async (context) => {
    const server = await context.start();
    equal('init', (await server.init({ code: '#!/bin/sh\ncat\n' })).status, 200);
    const value = { text: 'x'.repeat(5 * MEGABYTE) };
    const result = resultOf('the run', await server.run(value)) as typeof value;
    holds(
      'the result',
      result.text === value.text,
      'the arguments',
      `${String(result.text).length} characters`,
    );
  }),

  fresh('C-SRV-09', 'better', 'a body above the configured limit is a 413 in JSON', async (context) => {
    const server = await context.start({ env: { HYPERSKELETON_MAX_BODY_BYTES: '100000' } });
    errorText('a large body', await server.run({ text: 'x'.repeat(200_000) }), 413);
    equal('a small body', (await server.run()).status, 200);
  }),

  action('C-SRV-10', 'better', '20 runs of 0.7 s in under 3 s, each with its own answer', async (server) => {
    const began = performance.now();
    const answers = await Promise.all(
      Array.from({ length: AT_ONCE }, (_, n) => server.sh(`sleep 0.7; echo '{"n":${n}}'`)),
    );
    const seconds = (performance.now() - began) / 1000;
    equal(
      'answers',
      answers.map((answer) => resultOf('a run', answer)),
      Array.from({ length: AT_ONCE }, (_, n) => ({ n })),
    );
    holds('time', seconds < 3, 'under 3 s', `${seconds.toFixed(1)} s`);
  }),

  action('C-SRV-10', 'better', 'another request is answered during a run', async (server) => {
    const run = server.sh('sleep 1; echo "{}"');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const began = performance.now();
    equal('the other request', (await server.post('/nowhere', '{}')).status, 404);
    const took = Math.round(performance.now() - began);
    holds('its time', took < 500, 'no wait for the run', `${took} ms`);
    equal('the run', (await run).status, 200);
  }),

  fresh(
    'C-SRV-11',
    'better',
    'SIGTERM: what is in flight ends with sentinels, then the server exits 0',
    async (context) => {
      const server = await context.start();
      await server.install('#!/bin/sh\n: > started\nsleep 1\necho "log"\necho \'{"done":true}\'\n');
      const run = server.run();
      await eventually('the action starts', SOON_MS, () => existsSync(join(server.actionRoot, 'started')));
      server.signal('SIGTERM');
      equal('the run', resultOf('the run', await run), { done: true });
      equal('its log', server.takeRunLogs(), { stdout: 'log\n', stderr: '' });
      await eventually('the exit', SOON_MS, () => server.exitCode !== undefined);
      equal('exit status', server.exitCode, 0);
    },
  ),

  fresh('C-SRV-08', 'better', 'a request after SIGTERM is a 503', async (context) => {
    const server = await context.start();
    await server.install('#!/bin/sh\n: > started\nwhile [ ! -e go ]; do sleep 0.05; done\necho "{}"\n');
    const run = server.run();
    await eventually('the action starts', SOON_MS, () => existsSync(join(server.actionRoot, 'started')));
    server.signal('SIGTERM');
    await new Promise((resolve) => setTimeout(resolve, 200));
    const answer = await server.run();
    errorText('a late request', answer, 503);
    equal('Connection', answer.headers.connection, 'close');
    writeFileSync(join(server.actionRoot, 'go'), '');
    equal('the run', (await run).status, 200);
  }),

  fresh(
    'C-SRV-11',
    'better',
    'what outlives the grace period is killed with its process group',
    async (context) => {
      const server = await context.start({ env: { HYPERSKELETON_GRACE_MS: '300' } });
      await server.install('#!/bin/sh\nsleep 60 &\necho $! > stray\nwait\n');
      const run = server.run().catch(() => undefined);
      const file = join(server.actionRoot, 'stray');
      await eventually('the action starts', SOON_MS, () => existsSync(file) && readFileSync(file).length > 0);
      server.signal('SIGTERM');
      await run;
      await eventually('the exit', SOON_MS, () => server.exitCode !== undefined);
      equal('exit status', server.exitCode, 0);
      const stray = Number(readFileSync(file, 'utf8'));
      await eventually('the end of its child', SOON_MS, () => !isAlive(stray));
    },
  ),

  fresh('C-SRV-13', 'better', 'orphans of actions do not stay as zombies', async (context) => {
    const server = await context.start();
    await server.install('#!/bin/sh\nsleep 0.1 > /dev/null 2>&1 &\necho "{\\"pid\\":$!}"\n');
    const { pid } = resultOf('the run', await server.run()) as { pid: number };
    await eventually(`the end of orphan ${pid}`, SOON_MS, () => stateOf(pid) === undefined);
    const zombies = childrenOf(server.pid).filter((child) => stateOf(child) === 'Z');
    equal('zombies of the server', zombies, []);
  }),

  wire(
    'C-SRV-07',
    'peer',
    'answers of the second /init and of a bad /run say how long they are',
    async (server) => {
      for (const [path, body] of [
        ['/run', '{"value":"text"}'],
        ['/init', '{"value":null}'],
      ] as const) {
        const { headers, body: bytes } = await server.post(path, body);
        equal(`Content-Length of ${path}`, headers['content-length'], String(bytes.length));
      }
    },
  ),
];
