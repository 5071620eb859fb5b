import { type ConformanceCase, casesOf } from '../case.js';
import { equal, holds, matches } from '../check.js';
import { M_RESULT } from '../messages.js';
import { signal } from '../target/processes.js';
import { isError, resultOf } from '../verdicts.js';

const { action, fresh } = casesOf('classic');

const AT_ONCE_MS = 3000;

const BROKEN: readonly (readonly [string, string | Buffer, RegExp])[] = [
  ['no #! line', 'echo "{}"\n', /error/i],
  ['an empty file', '', /\S/],
  ['a missing interpreter', '#!/nowhere/interpreter\n', /\S/],
  ['a wrong format', Buffer.from('\x7fELF\x02\x01\x01 but nothing more', 'latin1'), /\S/],
];

/** POST /run: actions that do not start, and what they leave behind. */
export const runFailureCases: readonly ConformanceCase[] = [
  action(
    'C-RUN-25',
    'better',
    'the answer does not wait for a background process with the pipes',
    async (server) => {
      const began = performance.now();
      const answer = await server.sh('sleep 20 & echo "{\\"stray\\":$!}"');
      const took = performance.now() - began;
      const { stray } = resultOf('the run', answer) as { stray: number };
      // On a server elsewhere the number is nobody's here.
      if (server.host === '127.0.0.1') signal(stray, 'SIGKILL');
      holds('time', took < AT_ONCE_MS, `under ${AT_ONCE_MS} ms`, `${Math.round(took)} ms`);
    },
  ),

  // C-RUN-25.
  action('C-RUN-25', 'peer', 'a result that comes just after exec has exited counts', async (server) => {
    const script = '(sleep 0.3; echo \'{"late":true}\') &';
    equal('the run', resultOf('the run', await server.sh(script)), { late: true });
  }),

  ...BROKEN.map(([what, content, says]) =>
    fresh('C-RUN-26', 'peer', `${what}: 502 M-RESULT, the reason on stdout`, async (context) => {
      const server = await context.start();
      await server.install(content);
      server.takeLogs();
      isError('the run', await server.run(), 502, M_RESULT);
      matches('stdout', server.takeRunLogs().stdout, says);
    }),
  ),

  fresh(
    'C-RUN-26',
    'peer',
    'an environment that is too large: 502 M-RESULT, the reason on stdout',
    async (context) => {
      const server = await context.start();
      server.takeLogs();
      isError('the run', await server.run({}, { large: 'x'.repeat(200_000) }), 502, M_RESULT);
      matches('stdout', server.takeRunLogs().stdout, /\S/);
    },
  ),

  fresh(
    'C-RUN-26',
    'better',
    'after an environment that was too large the next run is served',
    async (context) => {
      const server = await context.start();
      await server.install('#!/bin/sh\necho "{}"\n');
      equal('the run', (await server.run({}, { large: 'x'.repeat(200_000) })).status, 502);
      equal('the next run', (await server.run()).status, 200);
    },
  ),
];
