import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, errorOf, startActionLoopServer } from '../support/actionloop-server.js';
import { textBody } from '../support/archives.js';
import { ENGINES, RunServer } from '../support/run-server.js';

let server: RunServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** What every object of JavaScript has by its prototype. */
const NAMES = [
  ...['__proto__', 'constructor', 'hasOwnProperty', 'isPrototypeOf', 'toString', 'valueOf', 'toLocaleString'],
  ...['propertyIsEnumerable', '__defineGetter__', '__defineSetter__', '__lookupGetter__', '__lookupSetter__'],
];
const VALUES = Object.fromEntries(NAMES.map((name, at) => [name, `value ${at}`]));
/** Names a shell could not use are passed on by it all the same; it drops none of these. */
const ENVIRONMENT = `#!/bin/sh\nenv | jq -R -s -c 'split("\\n") | map(select(test("="))) | map(capture("^(?<key>[^=]*)=(?<value>.*)$")) | from_entries'\n`;

function own(body: Buffer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}

function pick(from: Record<string, unknown>, names: readonly string[]): [string, unknown][] {
  return names.map((name) => [name, Object.hasOwn(from, name) ? from[name] : 'lost']);
}

describe.each(ENGINES)('%s', (engine) => {
  it('C-INIT-18, C-RUN-08: variables named as what JavaScript objects inherit', async () => {
    server = await RunServer.start({ engine });
    expect((await server.post('/init', textBody(ENVIRONMENT, { env: VALUES }))).status).toBe(200);
    const seen = own((await server.run({}, VALUES)).body);
    expect(pick(seen, NAMES)).toEqual(Object.entries(VALUES));
    const inContext = NAMES.map((name) => `__OW_${name.toUpperCase()}`);
    expect(pick(seen, inContext)).toEqual(inContext.map((name, at) => [name, `value ${at}`]));
  });

  it('C-RUN-01: arguments of those names', async () => {
    server = await RunServer.start({ engine });
    await server.install('#!/bin/sh\nprintf "%s\\n" "$1"\n');
    expect(pick(own((await server.run(VALUES)).body), NAMES)).toEqual(Object.entries(VALUES));
  });

  it('C-KN-12: parameters of those names in Knative mode', async () => {
    server = await RunServer.start({
      engine,
      env: { __OW_RUNTIME_PLATFORM: 'knative' },
      readiness: '/_hyperskeleton/readyz',
    });
    await server.install('#!/bin/sh\nprintf "%s\\n" "$1"\n');
    // By text: an object literal would set the prototype.
    const { body } = await server.post('/', JSON.stringify({ activation: {}, value: VALUES }));
    expect(pick(own(body), NAMES)).toEqual(Object.entries(VALUES));
    expect(own(body)).toHaveProperty('__ow_method', 'POST');
  });

  it('actionloop: variables of those names', async () => {
    if (engine === 'forkserver') return;
    server = await startActionLoopServer({ engine });
    const script =
      '#!/bin/sh\nPATH=/usr/bin:/bin\nwhile read -r line; do env | grep -c "=value " | sed "s/.*/{\\"found\\":&}/" >&3; done\n';
    expect(errorOf(await server.post('/init', actionLoopInit(script, { env: VALUES })))).toBeUndefined();
    expect(own((await server.run()).body)).toEqual({ found: NAMES.length });
  });
});
