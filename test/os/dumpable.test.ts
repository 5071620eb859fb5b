import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { ENGINES, RunServer } from '../support/run-server.js';
import { isHere } from '../zoo/build.js';

const SECRET = 'an-api-key-of-an-earlier-activation';
const ORDINARY_USER =
  'chown -R 65534 "$TMPDIR/.."; exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all "$@"';
/** Tries what the server's own process shows, and what an action needs of its own. */
const LOOKS = `#!/bin/sh
may() { if cat "/proc/$1/$2" >/dev/null 2>&1; then printf '"%s":1,' "$3"; else printf '"%s":0,' "$3"; fi; }
list() { if ls "/proc/$1/fd/" >/dev/null 2>&1; then printf '"%s":1,' "$2"; else printf '"%s":0,' "$2"; fi; }
printf '{'
may $PPID environ environ
may $PPID maps memory
list $PPID descriptors
may $$ environ own_environ
may $$ maps own_memory
list $$ own_descriptors
printf '"key":"%s"}\\n' "$__OW_API_KEY"
`;

let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const canDrop = process.getuid?.() === 0 && (await isHere('setpriv'));

describe.runIf(canDrop).each(ENGINES)('the server of an ordinary user (%s)', (engine) => {
  it('can’t be read by its actions, which can read themselves', async () => {
    server = await RunServer.start({ engine, launcher: ORDINARY_USER, env: { CONTAINER: 'variable' } });
    await server.install(LOOKS);
    await server.run({}, { api_key: SECRET });
    for (let round = 0; round < 5; round++) {
      const answer = await server.run({}, { api_key: 'own' });
      expect(JSON.parse(answer.body.toString())).toEqual({
        ...{ environ: 0, memory: 0, descriptors: 0 },
        ...{ own_environ: 1, own_memory: 1, own_descriptors: 1 },
        key: 'own',
      });
    }
    expect(readFileSync(`/proc/${server.pid}/environ`, 'latin1')).toContain('CONTAINER=variable');
  });

  it('C-RUN-08: its actions get the variables of the container, in each thread', async () => {
    const flags = ['--threads', '3'];
    server = await RunServer.start({ engine, launcher: ORDINARY_USER, env: { OF_IT: 'here' }, flags });
    await server.install('#!/bin/sh\nsleep 0.1; printf \'{"of":"%s"}\\n\' "$OF_IT"\n');
    const running = server;
    const answers = await Promise.all(Array.from({ length: 12 }, () => running.run()));
    expect(answers.map(({ body }) => body.toString())).toEqual(Array(12).fill('{"of":"here"}'));
  });
});
