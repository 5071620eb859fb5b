import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ExchangeSource } from '../load/exchange.js';
import { findProgram } from '../support/find-program.js';
import type { ScenarioDefinition } from './definition.js';

const RESULT = '{"hello":"world"}';
const BODY = '{"value":{"name":"Ada"}}';

/** The same greeting each time: the load is as cheap to make as it can be. */
export function helloExchanges(): ExchangeSource {
  const exchange = { body: BODY, check: (answer: string) => answer.trimEnd() === RESULT };
  return { constant: true, next: () => exchange };
}

/** Hello in static C: the least that an action can do, so that what is left is the runtime's own work. */
export const helloC: ScenarioDefinition = {
  id: 'hello-c',
  title: 'Hello, static C',
  description:
    'An action that writes 18 bytes and ends, linked statically: what is measured is the cost of an activation itself.',
  profile: 'quick',
  load: { kind: 'closed' },
  protocols: ['classic'],
  references: true,
  action: ({ programs }) => Promise.resolve(programs.hello),
  exchanges: helloExchanges,
};

/** The same without kept connections: some servers are held up by these. */
export const helloFresh: ScenarioDefinition = {
  id: 'hello-c-fresh',
  title: 'Hello, static C, new connections',
  description:
    'The same greeting, with a connection made for each request. On a kept connection, a server that writes its answer in two parts waits up to 40 ms for the acknowledgement of the first one (Nagle’s algorithm and delayed acknowledgements); here it does not.',
  profile: 'default',
  load: { kind: 'closed', connections: [1] },
  freshConnections: true,
  protocols: ['classic'],
  action: helloC.action,
  exchanges: helloExchanges,
};

/** An action in an interpreter. */
function helloScript(
  language: string,
  profile: ScenarioDefinition['profile'],
  interpreter: () => string | undefined,
  script: string,
): ScenarioDefinition {
  const id = `hello-${language.toLowerCase()}`;
  return {
    id,
    title: `Hello, ${language}`,
    description: `The same greeting from a script: the start of ${language} is most of it.`,
    profile,
    load: { kind: 'closed' },
    protocols: ['classic'],
    missing: () => (interpreter() === undefined ? `${language} is not installed` : undefined),
    async action({ folder }) {
      const file = join(folder, id);
      await writeFile(file, `#!${interpreter()}\n${script}\n`);
      await chmod(file, 0o755);
      return file;
    },
    exchanges: helloExchanges,
  };
}

/** Hello in a shell script. */
export const helloSh = helloScript('sh', 'full', () => findProgram('sh'), `echo '${RESULT}'`);

/** Hello in Python, the system's own: version managers put a slow script before theirs. */
export const helloPython = helloScript(
  'Python',
  'default',
  () => findProgram('python3', ['/usr/bin']),
  `print('${RESULT}')`,
);

/** Hello in Node, the one that runs this. */
export const helloNode = helloScript(
  'Node',
  'full',
  () => process.execPath,
  `process.stdout.write('${RESULT}\\n')`,
);
