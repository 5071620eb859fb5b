import { type ConformanceCase, casesOf, type Kind } from '../case.js';
import { equal, holds } from '../check.js';
import { M_RESULT } from '../messages.js';
import { isError, jsonOf, resultOf } from '../verdicts.js';

const { action, logged } = casesOf('classic');

const MEGABYTES = 5;
const DEEP = 100_000;

const RESULTS: readonly (readonly [string, string, unknown])[] = [
  ['an object', 'echo \'{"a":1}\'', { a: 1 }],
  ['an array', "echo '[1,2]'", [1, 2]],
  ['without a newline at its end', 'printf \'{"a":1}\'', { a: 1 }],
  ['after other lines', 'echo log; echo; echo \'{"a":1}\'', { a: 1 }],
  ['with blanks around it', 'printf \'\\t {"a":1} \\t\\n\'', { a: 1 }],
  ['with \\r before its end', 'printf \'{"a":1}\\r\\n\'', { a: 1 }],
  ['with an error field', 'echo \'{"error":"x"}\'', { error: 'x' }],
];

const NO_RESULTS: readonly (readonly [string, string, string, string])[] = [
  ['C-RUN-17', 'output that ends in an empty line', "printf '{}\\n\\n'", '{}\n\n'],
  ['C-RUN-18', 'no output', ':', '\n'],
  ['C-RUN-18', 'text', 'echo text', 'text\n'],
  ['C-RUN-18', 'a number', 'echo 5', '5\n'],
  ['C-RUN-18', 'a string', 'echo \'"s"\'', '"s"\n'],
  ['C-RUN-18', 'null', 'echo null', 'null\n'],
  ['C-RUN-18', 'true', 'echo true', 'true\n'],
  ['C-RUN-18', 'text after a result', 'echo "{}"; echo text', '{}\ntext\n'],
  ['C-RUN-18', 'a cut object', 'echo \'{"a":\'', '{"a":\n'],
];

const VERBATIM = [
  '{"z":1.50,"a":1e400,"big":12345678901234567890123}',
  '{"b" : "\\u00fc\\/", "a":"ü","d":1,"d":2}',
];

const NOT_JSON: readonly (readonly [Kind, string, string])[] = [
  ['better', 'NaN', 'echo \'{"a":NaN}\''],
  ['better', 'Infinity', "echo '[Infinity]'"],
  ['peer', 'a leading byte order mark', "printf '\\357\\273\\277{}\\n'"],
  ['peer', 'a control character in a string', 'printf \'{"a":"x\\ty"}\\n\''],
];

/** POST /run: which output is a result, and how it is answered. */
export const runResultCases: readonly ConformanceCase[] = [
  ...RESULTS.map(([what, script, result]) =>
    action(
      what.includes('error') ? 'C-RUN-20' : 'C-RUN-16',
      'peer',
      `the last line of stdout is the result: ${what}`,
      async (server) => {
        equal('the run', resultOf('the run', await server.sh(script)), result);
      },
    ),
  ),

  action('C-RUN-16', 'peer', 'only a line feed ends a line', async (server) => {
    isError('the run', await server.sh('printf \'log\\r{"a":1}\\n\''), 502, M_RESULT);
  }),

  ...NO_RESULTS.map(([rule, what, script]) =>
    action(rule, 'peer', `${what} is a 502`, async (server) => {
      isError('the run', await server.sh(script), 502, M_RESULT);
    }),
  ),

  logged(
    'C-RUN-18',
    'peer',
    'the last line of such a 502 is in the log, an empty one where there was none',
    async (server) => {
      for (const [, what, script, log] of NO_RESULTS) {
        server.takeLogs();
        equal('status', (await server.sh(script)).status, 502);
        equal(`log of ${what}`, server.takeRunLogs(), { stdout: log, stderr: '' });
      }
    },
  ),

  action('C-RUN-19', 'peer', 'the exit status is ignored', async (server) => {
    equal('the run', resultOf('the run', await server.sh('echo \'{"a":1}\'; exit 7')), { a: 1 });
  }),

  action('C-RUN-19', 'peer', 'an action that is killed by SIGKILL has its result', async (server) => {
    equal('the run', resultOf('the run', await server.sh('echo \'{"a":1}\'; kill -9 $$')), { a: 1 });
  }),

  action('C-RUN-21', 'peer', 'the answer is JSON, application/json', async (server) => {
    const answer = await server.sh('echo \'{"b":{"d":1,"c":[null]},"a":"ü"}\'');
    equal('Content-Type', answer.headers['content-type'], 'application/json');
    equal('the run', jsonOf('the run', answer), { b: { d: 1, c: [null] }, a: 'ü' });
  }),

  ...VERBATIM.map((line) =>
    action('C-RUN-22', 'better', `the line’s own bytes are answered: ${line}`, async (server) => {
      equal('body', (await server.sh(`echo '${line}'`)).text.replace(/\n$/, ''), line);
    }),
  ),

  ...NOT_JSON.map(([kind, what, script]) =>
    action('C-RUN-22', kind, `${what} is no JSON: 502`, async (server) => {
      isError('the run', await server.sh(script), 502, M_RESULT);
    }),
  ),

  action('C-RUN-22', 'peer', '100,000 levels are a 200 or a 502, never a crash', async (server) => {
    const repeat = (text: string): string => `head -c ${DEEP} /dev/zero | tr '\\0' '${text}'`;
    const { status } = await server.sh(`${repeat('[')}; ${repeat(']')}`);
    holds('status', status === 200 || status === 502, '200 or 502', status);
    equal('the next run', (await server.run()).status, 200);
  }),

  logged('C-RUN-23', 'better', 'log bytes that are not UTF-8 pass unchanged', async (server) => {
    server.takeLogs();
    const answer = await server.sh("printf 'a\\377b\\n'; printf 'c\\376d\\n' >&2; echo '{\"a\":1}'");
    equal('the run', resultOf('the run', answer), { a: 1 });
    const { stdout, stderr } = server.takeLogs();
    const line = (log: Buffer): string => log.subarray(0, log.indexOf('\n')).toString('latin1');
    equal('stdout and stderr', [line(stdout), line(stderr)], ['a\xffb', 'c\xfed']);
  }),

  action('C-RUN-23', 'better', 'a result that is not UTF-8 is a 502', async (server) => {
    isError('the run', await server.sh('printf \'{"a":"\\377"}\\n\''), 502, M_RESULT);
  }),

  logged(
    'C-RUN-24',
    'peer',
    'many MB on both streams and in the result, without a deadlock',
    async (server) => {
      server.takeLogs();
      const block = (letter: string): string =>
        `head -c ${MEGABYTES}000000 /dev/zero | tr '\\0' ${letter} | fold -w 100`;
      const script = `${block('e')} >&2; echo >&2; ${block('o')}; echo; printf '{"r":"'; ${block('r')} | tr -d '\\n'; echo '"}'`;
      const { r } = resultOf('the run', await server.sh(script)) as { r: string };
      holds('the result', r === 'r'.repeat(MEGABYTES * 1_000_000), 'all of it', `${r.length} characters`);
      const { stdout, stderr } = server.takeRunLogs();
      const count = (log: string, letter: string): number => log.split(letter).length - 1;
      equal('log', [count(stdout, 'o'), count(stderr, 'e')], [MEGABYTES * 1_000_000, MEGABYTES * 1_000_000]);
    },
  ),
];
