import { equal, eventually, matches } from '../../../conformance/check.js';
import { ECHO, LOOP, logsOfEcho, PROGRAMS, PYTHON, SLOW } from '../actions.js';
import { type Check, type CheckContext, HARDENED, WRITABLE_ACTION } from '../check.js';
import type { Container } from '../container.js';
import { staticProgram } from '../static-program.js';

const BEGINS_WITHIN_MS = 10_000;

const SETTINGS: Readonly<
  Record<string, (context: CheckContext) => { image: string; flags: readonly string[] }>
> = {
  slim: ({ slim }) => ({ image: slim, flags: [] }),
  full: ({ full }) => ({ image: full, flags: [] }),
  'slim, hardened': ({ slim }) => ({ image: slim, flags: [...HARDENED, WRITABLE_ACTION] }),
  'full, hardened': ({ full }) => ({ image: full, flags: [...HARDENED, WRITABLE_ACTION] }),
  'slim, as a user that no file knows': ({ slim }) => ({ image: slim, flags: ['--user=54321:0'] }),
};

async function initAndRun(
  { serve, install }: CheckContext,
  image: string,
  flags: readonly string[],
): Promise<void> {
  const container = await serve({ image, flags });
  const init = await install(container, ECHO);
  equal('init', [init.status, init.text], [200, 'OK']);
  for (const id of ['one', 'two']) {
    const { status, text } = await container.post('/run', `{"value":{"n":1.50},"activation_id":"${id}"}`);
    equal('status of the run', status, 200);
    matches('the result', text, new RegExp(`^{"argument":{"n":1.50},"user":\\d+,"id":"${id}"}$`));
  }
  equal('the second init', (await container.post('/init', { value: {} })).status, 403);
  equal('health', container.checkHealth().status, 0);
  equal('exit status', container.stop(), 0);
  const { stdout, stderr } = container.logs();
  const expected = logsOfEcho(2);
  equal('stdout', stdout, expected.stdout);
  equal('stderr', stderr, `${expected.stderr}Cannot initialize the action more than once.\n`);
}

async function answerOf(container: Container, value: unknown): Promise<unknown> {
  const { status, text } = await container.post('/run', { value });
  return [status, text];
}

/** Init, runs, logs, health and stop in each setting; the other protocols; programs of several kinds. */
export const SERVING_CHECKS: readonly Check[] = [
  ...Object.entries(SETTINGS).map(([name, setting]) => ({
    title: `init, runs, logs with sentinels, health, stop with exit status 0: ${name}`,
    run: (context: CheckContext) => {
      const { image, flags } = setting(context);
      return initAndRun(context, image, flags);
    },
  })),
  {
    title:
      'read-only without a place for actions: the default action serves, and an init says why it can not',
    run: async ({ slim, serve, install }) => {
      const container = await serve({ image: slim, flags: HARDENED });
      const init = await install(container, ECHO);
      equal('status of init', init.status, 500);
      matches('init', init.text, /EROFS/);
      matches('the run', (await container.post('/run', { value: {} })).text, /This is a stub action/);
    },
  },
  {
    title: 'actions in shell, Node, Perl and Python',
    run: async (context) => {
      const programs = { ...PROGRAMS, python: PYTHON };
      const env = { PROXY_ALLOW_REINIT: '1' };
      const container = await context.serve({ image: context.full, env });
      for (const [name, text] of Object.entries(programs)) {
        equal(`init of ${name}`, (await context.install(container, text)).status, 200);
        const expected = [200, `{"by":"${name}","argument":{"a":[1]}}`];
        equal(name, await answerOf(container, { a: [1] }), expected);
      }
    },
  },
  {
    title: 'an action in static C',
    run: async ({ slim, serve, install }) => {
      const container = await serve({ image: slim, flags: [...HARDENED, WRITABLE_ACTION] });
      equal('init', (await install(container, staticProgram())).status, 200);
      equal('the run', await answerOf(container, {}), [200, '{"by":"c"}']);
    },
  },
  {
    title: 'Knative mode',
    run: async ({ slim, serve }) => {
      const code = '#!/bin/sh\necho \'{"body":{"knative":true},"statusCode":201}\'\n';
      const env = { __OW_RUNTIME_PLATFORM: 'knative', __OW_ACTION_CODE: code };
      const readyPath = '/_hyperskeleton/readyz';
      const container = await serve({ image: slim, flags: [...HARDENED, WRITABLE_ACTION], env, readyPath });
      const { status, text } = await container.post('/', { value: {} });
      equal('the run', [status, text], [201, '{"knative":true}']);
      equal('health', container.checkHealth().status, 0);
      equal('exit status', container.stop(), 0);
    },
  },
  {
    title: 'ActionLoop mode',
    run: async ({ full, serve, install }) => {
      const env = { HYPERSKELETON_PROTOCOL: 'actionloop' };
      const flags = [...HARDENED, WRITABLE_ACTION];
      const container = await serve({ image: full, flags, env });
      equal('init', (await install(container, LOOP)).text, '{"ok":true}\n');
      for (let run = 0; run < 2; run++)
        equal('a run', await answerOf(container, {}), [200, '{"loop":true}\n']);
      equal('health', container.checkHealth().status, 0);
      equal('exit status', container.stop(), 0);
      equal('stdout', container.logs().stdout, logsOfEcho(2).stdout);
    },
  },
  {
    title: 'a stop in the middle of a run lets it end, and is answered by exit status 0',
    run: async ({ slim, serve, install }) => {
      const container = await serve({ image: slim });
      await install(container, SLOW);
      const run = answerOf(container, {});
      await eventually('its begin', BEGINS_WITHIN_MS, () => container.logs().stderr.includes('begun'));
      equal('exit status', container.stop(), 0);
      equal('the run', await run, [200, '{"slow":true}']);
    },
  },
  {
    title: 'the health check fails where nobody serves',
    run: async ({ slim, serve }) => {
      const container = await serve({ image: slim });
      equal(
        'elsewhere',
        container.exec('env', 'FLASK_PROXY_PORT=1', '/opt/hyperskeleton/bin/health').status,
        1,
      );
    },
  },
];
