import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, eventually, holds } from '../check.js';
import { M_RESULT } from '../messages.js';
import { isAlive, signal } from '../target/processes.js';
import type { Answer } from '../target/server.js';
import { reportOf } from '../target/toolbox.js';
import { errorText, isError, resultOf } from '../verdicts.js';
import { initialized, loop } from './actionloop.js';

const { action, logged, fresh } = casesOf('actionloop');

const SOON_MS = 5000;
const SILENT_MS = 1000;
const AT_ONCE = 10;
const NO_ACTION = 'no action defined yet';
const EXITED = 'command exited';

/** Throws unless it is this error, or a runtime's answer that has started the child again, which it may. */
function errorOrRestarted(answer: Answer, text: string): void {
  if (answer.status !== 200) isError('the run', answer, 500, text);
}

/** ActionLoop: lines, answers, logs and the end of the child. */
export const actionloopRunCases: readonly ConformanceCase[] = [
  action('C-AL-13', 'peer', 'the child gets the whole body, on one line', async (server) => {
    const body = '{\n "value": {"a": 1.50, "b":"ü"},\n\n"deadline":"1800000000000",   "namespace":\n"n"}\n';
    const answer = await server.post('/run', body);
    resultOf('the run', answer);
    equal('line', reportOf(answer.text).stdin, body.replaceAll('\n', ''));
  }),

  action('C-AL-13', 'peer', '300 kB of arguments', async (server) => {
    const body = JSON.stringify({ value: { text: 'x'.repeat(300_000) } });
    const answer = await server.post('/run', body);
    resultOf('the run', answer);
    holds('line', reportOf(answer.text).stdin === body, 'the body', answer.text);
  }),

  ...['{"b" : 1.50,"a":"\\u00fc ü","a":1e400}', '[1, 2]', '{}'].map((line) =>
    action('C-AL-14', 'peer', `the line is answered byte for byte: ${line}`, async (server) => {
      const answer = await server.sh(`printf '%s\\n' '${line}' >&3`);
      equal('status', answer.status, 200);
      equal('body', answer.text, `${line}\n`);
      equal('Content-Type', answer.headers['content-type'], 'application/json');
      equal('Content-Length', answer.headers['content-length'], String(answer.body.length));
    }),
  ),

  ...['text', '5', '"s"', 'true', '{"a":'].map((line) =>
    action('C-AL-14', 'peer', `${line} is a 502, and the child goes on`, async (server) => {
      isError('the run', await server.sh(`echo '${line}' >&3`), 502, M_RESULT);
      equal('the next run', resultOf('the run', await server.sh('echo \'{"a":1}\' >&3')), { a: 1 });
    }),
  ),

  action('C-AL-14', 'peer', 'the child stays: its state lives on', async (server) => {
    equal('the first run', (await server.sh('conformance_state=kept; echo "{}" >&3')).status, 200);
    const answer = await server.sh('echo "{\\"state\\":\\"$conformance_state\\"}" >&3');
    equal('the second run', resultOf('the run', answer), { state: 'kept' });
  }),

  action('C-AL-15', 'better', 'null is a 502', async (server) => {
    isError('the run', await server.sh('echo null >&3'), 502, M_RESULT);
  }),

  logged('C-AL-16', 'peer', 'logs pass through, with sentinels after the answer', async (server) => {
    server.takeLogs();
    equal('the run', (await server.sh('echo log; echo problem >&2; echo "{}" >&3')).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: 'log\n', stderr: 'problem\n' });
    equal('a bad run', (await server.sh('echo text >&3')).status, 502);
    equal('its log', server.takeRunLogs(), { stdout: '', stderr: '' });
  }),

  fresh('C-AL-16', 'peer', 'output at start is in the first activation’s log', async (context) => {
    const server = await context.start();
    initialized(await server.init({ code: loop('echo run; echo "{}" >&3', 'echo start; echo start >&2') }));
    equal('the run', (await server.run()).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: 'start\nrun\n', stderr: 'start\n' });
    equal('the next run', (await server.run()).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: 'run\n', stderr: '' });
  }),

  logged('C-AL-16', 'peer', 'output after the answer is in the next activation’s log', async (server) => {
    server.takeLogs();
    equal('the run', (await server.sh('echo "{}" >&3; sleep 0.3; echo late')).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: '', stderr: '' });
    equal('the next run', (await server.sh('echo now; echo "{}" >&3')).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: 'late\nnow\n', stderr: '' });
  }),

  fresh('C-AL-17', 'peer', 'before init: 500', async (context) => {
    const server = await context.start();
    isError('the run', await server.run(), 500, NO_ACTION);
  }),

  fresh(
    'C-AL-17',
    'peer',
    'the child dies during a run: 400 and sentinels, then 500 or a new child',
    async (context) => {
      const server = await context.start();
      initialized(await server.init({ code: loop('echo log; exit 1') }));
      isError('the run', await server.run(), 400, EXITED);
      equal('its log', server.takeRunLogs(), { stdout: 'log\n', stderr: '' });
      const answer = await server.run();
      // The child of a runtime that starts it again dies again.
      if (answer.status === 500) isError('the next run', answer, 500, NO_ACTION);
      else isError('the next run', answer, 400, EXITED);
    },
  ),

  fresh('C-AL-17', 'peer', 'the child died between runs: 500, or a new child', async (context) => {
    const server = await context.start();
    const file = join(context.scratch, 'pid');
    initialized(await server.init({ code: loop(`echo $$ > ${file}; echo "{}" >&3`) }));
    equal('the run', (await server.run()).status, 200);
    const pid = Number(readFileSync(file, 'utf8'));
    signal(pid, 'SIGKILL');
    await eventually('the end of the child', SOON_MS, () => !isAlive(pid));
    await new Promise((resolve) => setTimeout(resolve, 100));
    errorOrRestarted(await server.run(), EXITED);
  }),

  fresh('C-AL-17', 'peer', 'descriptor 3 closed: answered when the child exits', async (context) => {
    const server = await context.start();
    initialized(await server.init({ code: loop('exec 3>&-; sleep 0.8; exit') }));
    const began = performance.now();
    isError('the run', await server.run(), 400, EXITED);
    const took = performance.now() - began;
    holds('time', took > 600, 'the 800 ms until the exit', `${Math.round(took)} ms`);
  }),

  fresh('C-AL-17', 'peer', 'a silent child: the request waits', async (context) => {
    const server = await context.start();
    const file = join(context.scratch, 'here');
    initialized(await server.init({ code: loop(`: > ${file}; sleep 30`) }));
    let answered = false;
    server.run().then(
      () => {
        answered = true;
      },
      () => {},
    );
    await eventually('the line at the child', SOON_MS, () => existsSync(file));
    await new Promise((resolve) => setTimeout(resolve, SILENT_MS));
    equal('answered', answered, false);
  }),

  action('C-AL-18', 'better', 'a second line for one request does not answer the next', async (server) => {
    const script = 'printf \'{"n":1}\\n{"extra":1}\\n\' >&3';
    equal('the first run', resultOf('the run', await server.sh(script)), { n: 1 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    equal('the second run', resultOf('the run', await server.sh('echo \'{"n":2}\' >&3')), { n: 2 });
  }),

  action('C-AL-19', 'better', 'requests at the same time: each has its own answer', async (server) => {
    const runs = Array.from({ length: AT_ONCE }, (_, n) => server.sh(`sleep 0.05; echo '{"n":${n}}' >&3`));
    const answers = await Promise.all(runs);
    equal(
      'answers',
      answers.map((answer) => resultOf('a run', answer)),
      Array.from({ length: AT_ONCE }, (_, n) => ({ n })),
    );
  }),

  fresh(
    'C-AL-20',
    'better',
    'a body that is no JSON is a 400; the child sees nothing of it',
    async (context) => {
      const server = await context.start();
      const file = join(context.scratch, 'lines');
      initialized(await server.init({ code: loop(`echo "$line" >> ${file}; echo "{}" >&3`) }));
      errorText('the run', await server.post('/run', 'no JSON'), 400);
      equal('the child’s trace', existsSync(file), false);
      equal('the next run', (await server.run()).status, 200);
    },
  ),
];
