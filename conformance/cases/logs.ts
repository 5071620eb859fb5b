import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, casesOf } from '../case.js';
import { equal, eventually, holds } from '../check.js';
import { M_ARGS, M_RESULT, SENTINEL } from '../messages.js';
import { isError, resultOf } from '../verdicts.js';

const { logged, fresh } = casesOf('classic');

const SOON_MS = 5000;
const RUNS = 10;
const LINES = 200;

/** POST /run: what is logged, when and in what order. */
export const logCases: readonly ConformanceCase[] = [
  logged(
    'C-LOG-01',
    'peer',
    'stdout but its last line, stderr, then one sentinel on each, before the answer',
    async (server) => {
      server.takeLogs();
      const answer = await server.sh('echo one; echo two; echo problem >&2; echo \'{"a":1}\'');
      equal('the run', resultOf('the run', answer), { a: 1 });
      equal('its log', server.takeRunLogs(), { stdout: 'one\ntwo\n', stderr: 'problem\n' });
    },
  ),

  logged('C-LOG-01', 'peer', 'sentinels for a run without output, a 404 M-ARGS and a 502', async (server) => {
    server.takeLogs();
    equal('a quiet run', (await server.sh('echo "{}"')).status, 200);
    equal('its log', server.takeRunLogs(), { stdout: '', stderr: '' });
    isError('a bad request', await server.post('/run', '{"value":5}'), 404, M_ARGS);
    equal('its log', server.takeRunLogs(), { stdout: '', stderr: '' });
    isError('a run without a result', await server.sh('echo e >&2'), 502, M_RESULT);
    equal('its log', server.takeRunLogs(), { stdout: '\n', stderr: 'e\n' });
  }),

  // C-LOG-01.
  logged('C-LOG-01', 'peer', 'no sentinels for another path and another method', async (server) => {
    server.takeLogs();
    equal('another path', (await server.post('/nowhere', '{}')).status, 404);
    equal('another method', (await server.request('GET', '/run')).status, 405);
    const { stdout, stderr } = server.takeLogs();
    equal('logs', [stdout.toString(), stderr.toString()], ['', '']);
  }),

  logged('C-LOG-02', 'peer', 'runs that follow each other never mix', async (server) => {
    server.takeLogs();
    for (let n = 0; n < RUNS; n++) await server.sh(`echo out ${n}; echo err ${n} >&2; echo "{}"`);
    const { stdout, stderr } = server.takeLogs();
    const expected = (name: string): string =>
      Array.from({ length: RUNS }, (_, n) => `${name} ${n}\n${SENTINEL}\n`).join('');
    equal('stdout', stdout.toString(), expected('out'));
    equal('stderr', stderr.toString(), expected('err'));
  }),

  logged(
    'C-LOG-03',
    'better',
    'stderr without a newline at its end gets one before the sentinel',
    async (server) => {
      server.takeLogs();
      await server.sh('printf "no newline" >&2; echo "{}"');
      equal('stderr', server.takeRunLogs().stderr, 'no newline\n');
    },
  ),

  fresh('C-LOG-04', 'better', 'lines come while the action runs', async (context) => {
    const server = await context.start();
    await server.install(
      '#!/bin/sh\necho first\necho second\necho problem >&2\nwhile [ ! -e go ]; do sleep 0.05; done\necho "{}"\n',
    );
    const run = server.run();
    try {
      await eventually('the lines in the log', SOON_MS, () => {
        const { stdout, stderr } = server.readLogs();
        return stdout.includes('first\n') && stderr.includes('problem\n');
      });
    } finally {
      writeFileSync(join(server.actionRoot, 'go'), '');
      await run;
    }
    equal('its log', server.takeRunLogs(), { stdout: 'first\nsecond\n', stderr: 'problem\n' });
  }),

  logged('C-LOG-04', 'peer', 'the last line is held back: no part of it is in the log', async (server) => {
    server.takeLogs();
    const result = { text: 'x'.repeat(300_000) };
    const script = `echo log; printf '{"text":"'; head -c 300000 /dev/zero | tr '\\0' x; sleep 0.3; echo '"}'`;
    equal('the run', resultOf('the run', await server.sh(script)), result);
    equal('its log', server.takeRunLogs(), { stdout: 'log\n', stderr: '' });
  }),

  // C-LOG-04.
  fresh(
    'C-LOG-04',
    'better',
    'a last line beyond the limit goes to the log, and is no result',
    async (context) => {
      const server = await context.start({ env: { HYPERSKELETON_MAX_RESULT_BYTES: '1000' } });
      await server.install(
        '#!/bin/sh\nprintf \'{"text":"\'\nhead -c 5000 /dev/zero | tr "\\\\0" x\necho \'"}\'\n',
      );
      isError('the run', await server.run(), 502, M_RESULT);
      equal('its log', server.takeRunLogs().stdout, `{"text":"${'x'.repeat(5000)}"}\n`);
    },
  ),

  logged('C-LOG-05', 'better', 'lines of runs at the same time are neither torn nor lost', async (server) => {
    server.takeLogs();
    const script = (n: number): string =>
      `i=0; while [ $i -lt ${LINES} ]; do echo "run ${n} line $i of many words"; echo "run ${n} problem $i" >&2; i=$((i+1)); done; sleep 0.2; echo '{"n":${n}}'`;
    const began = performance.now();
    const answers = await Promise.all(Array.from({ length: RUNS }, (_, n) => server.sh(script(n))));
    const took = performance.now() - began;
    equal(
      'answers',
      answers.map((answer) => resultOf('a run', answer)),
      Array.from({ length: RUNS }, (_, n) => ({ n })),
    );
    const { stdout, stderr } = server.takeLogs();
    for (const [log, text] of [
      [stdout, (n: number, i: number) => `run ${n} line ${i} of many words`],
      [stderr, (n: number, i: number) => `run ${n} problem ${i}`],
    ] as const) {
      const lines = log.toString().split('\n').slice(0, -1);
      const sentinels = lines.filter((line) => line === SENTINEL).length;
      equal('sentinels', sentinels, RUNS);
      const expected = Array.from({ length: RUNS * LINES }, (_, at) =>
        text(Math.floor(at / LINES), at % LINES),
      );
      const logged = lines.filter((line) => line !== SENTINEL);
      equal('number of lines', logged.length, expected.length);
      equal('lines', new Set(logged), new Set(expected));
    }
    holds('the runs', took < RUNS * 200, 'at the same time', `one after the other: ${Math.round(took)} ms`);
  }),

  logged(
    'C-LOG-06',
    'peer',
    'the sentinel is a line of its own, of exactly this text, on each stream',
    async (server) => {
      server.takeLogs();
      await server.sh('echo log; echo "{}"');
      const { stdout, stderr } = server.takeLogs();
      equal('stdout', stdout.toString('latin1'), `log\n${SENTINEL}\n`);
      equal('stderr', stderr.toString('latin1'), `${SENTINEL}\n`);
    },
  ),

  fresh('C-LOG-01', 'peer', 'sentinels also where exec is not executable', async (context) => {
    const server = await context.start();
    await server.install('x', 0o644);
    server.takeLogs();
    equal('the run', (await server.run()).status, 502);
    server.takeRunLogs();
  }),
];
