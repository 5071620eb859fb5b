import { type ConformanceCase, casesOf } from '../case.js';
import { equal, matches } from '../check.js';
import { errorText, resultOf } from '../verdicts.js';

const { fresh } = casesOf('classic');

/** An action that answers the values of these variables as a list; null for one that is not set. */
export function printer(...names: readonly string[]): string {
  // \${x+y} tells a variable that is empty from one that is not there.
  const lines = names.map((name) => `show "\${${name}+set}" "\${${name}-}"`);
  return `#!/bin/sh
separator='['
show() {
  printf %s "$separator"
  separator=,
  if [ -z "$1" ]; then printf null; else printf '"%s"' "$(printf %s "$2" | base64 | tr -d '\\n')"; fi
}
${lines.join('\n')}
echo ']'
`;
}

/** The variables that {@link printer} answered. */
export function printed(result: unknown): (string | null)[] {
  return (result as (string | null)[]).map((value) =>
    value === null ? null : Buffer.from(value, 'base64').toString('utf8'),
  );
}

/** POST /init: the variables that an init brings. */
export const initEnvironmentCases: readonly ConformanceCase[] = [
  fresh(
    'C-INIT-18',
    'better',
    'env reaches every run: strings as they are, all else as JSON text',
    async (context) => {
      const server = await context.start();
      const env = {
        TEXT: 'grüße "x" $HOME\n2',
        EMPTY: '',
        NULL: null,
        NUMBER: 5,
        TRUE: true,
        LIST: [1, 'a'],
        OBJECT: { a: { b: null } },
      };
      equal('init', (await server.init({ code: printer(...Object.keys(env)), env })).status, 200);
      for (const run of ['the first run', 'the second run']) {
        const values = printed(resultOf(run, await server.run()));
        equal(`strings of ${run}`, values.slice(0, 3), [env.TEXT, '', '']);
        const rest = values.slice(3).map((value) => JSON.parse(value ?? '') as unknown);
        equal(`other values of ${run}`, rest, [5, true, [1, 'a'], { a: { b: null } }]);
      }
    },
  ),

  fresh('C-INIT-18', 'better', 'the server’s environment < env < the run’s __OW_*', async (context) => {
    const server = await context.start({ env: { A: 'server', B: 'server', __OW_C: 'server' } });
    const env = { B: 'init', __OW_C: 'init', __OW_D: 'init' };
    equal('init', (await server.init({ code: printer('A', 'B', '__OW_C', '__OW_D'), env })).status, 200);
    const values = printed(resultOf('the run', await server.run({}, { d: 'run' })));
    equal('A, B, __OW_C, __OW_D', values, ['server', 'init', 'init', 'run']);
  }),

  ...(
    [
      ['an empty name', { '': 'x' }, /name/i],
      ['a name with =', { 'SOME=NAME': 'x' }, /SOME=NAME/],
      ['a name with NUL', { 'SOME\0NAME': 'x' }, /SOME/],
      ['a value with NUL', { SOMENAME: 'a\0b' }, /SOMENAME/],
    ] as const
  ).map(([what, env, says]) =>
    fresh('C-INIT-19', 'better', `${what} in env is a 400 that names it`, async (context) => {
      const server = await context.start();
      matches('error', errorText('init', await server.init({ code: printer(), env }), 400), says);
      equal('the next init', (await server.init({ code: '#!/bin/sh\necho "{}"\n' })).status, 200);
    }),
  ),
];
