import { closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { unreadBytesIn } from '../../src/os/libc.js';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../support/actionloop-server.js';
import { ENGINES, type RunServer, SENTINEL } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

const LINES = 5000;
/** A pipe holds 64 KiB (pipe(7)), and a line that does not fit whole waits. */
const FULL_BYTES = 60_000;

/** Gives the server sockets as its stdout and stderr, whose other ends nobody has. */
const SOCKETS_AS_LOGS = `exec python3 -c '
import os, socket, sys
for fd in (1, 2):
    ours, theirs = socket.socketpair()
    os.dup2(ours.fileno(), fd)
    theirs.close()
os.execvp(sys.argv[1], sys.argv[1:])
' "$@"`;

let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(engine: string, script: string, options = {}): Promise<RunServer> {
  server = await startActionLoopServer({ engine, ...options });
  expect((await server.post('/init', actionLoopInit(script))).status).toBe(200);
  return server;
}

describe.each(ENGINES)('the log of an ActionLoop process (%s)', (engine) => {
  it('C-LOG-05: of a reader that is slow every line comes', async () => {
    const flood =
      'i=0; while [ $i -lt $n ]; do echo "line $i of a log that is longer than a pipe"; i=$((i+1)); done';
    const script = actionLoopScript(`n=${LINES}; ${flood}; echo "{}" >&3`);
    const running = await start(engine, script, { logs: 'pipes' });
    const end = openSync(join(running.folder, 'stdout'), constants.O_RDONLY | constants.O_NONBLOCK);
    const answer = running.run();
    await until('the pipe is full', () => unreadBytesIn(end) > FULL_BYTES);
    closeSync(end);
    running.stderr.resume();
    let text = '';
    for await (const chunk of running.stdout.setEncoding('latin1')) {
      text += chunk;
      if (text.endsWith(`${SENTINEL}\n`)) break;
    }
    expect((await answer).status).toBe(200);
    const expected = Array.from(
      { length: LINES },
      (_, at) => `line ${at} of a log that is longer than a pipe`,
    );
    expect(text.split('\n')).toEqual([...expected, SENTINEL, '']);
  });

  it.each([
    ['a pipe', { logs: 'pipes' }],
    ['a socket', { launcher: SOCKETS_AS_LOGS }],
  ] as const)(
    'one whose reader has gone costs the activation that is told so, and is counted: %s',
    async (_, options) => {
      const running = await start(
        engine,
        actionLoopScript('echo "a line"; echo "a line" >&2; echo "{}" >&3'),
        options,
      );
      if ('logs' in options) {
        running.stdout.destroy();
        running.stderr.destroy();
      }
      const statuses: number[] = [];
      for (let count = 0; count < 5; count++) statuses.push((await running.run()).status);
      expect(statuses.slice(1)).toEqual([200, 200, 200, 200]);
      const page = await scrape(running.port);
      for (const stream of ['stdout', 'stderr'])
        expect(
          page.value(`hyperskeleton_log_bytes_dropped_total{stream="${stream}"}`),
        ).toBeGreaterThanOrEqual(4 * 'a line\n'.length);
    },
  );
});
