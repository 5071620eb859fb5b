import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../support/actionloop-server.js';
import { logFile } from '../support/log-file.js';
import { type Answer, ENGINES, RunServer, type ServerOptions } from '../support/run-server.js';
import { Gate, until } from '../support/waiting.js';

/** More than a pipe and what the test's own end has read of it. */
const FLOOD = "head -c 2000000 /dev/zero | tr '\\0' x >&2";
const GOOD_END = { code: 0, signal: null };

/** Gives the server a socket as its stderr, and holds the other end without reading it. */
const SOCKET_AS_STDERR = `exec python3 -c '
import os, socket, sys
ours, theirs = socket.socketpair()
os.set_inheritable(theirs.fileno(), True)
os.dup2(ours.fileno(), 2)
os.execvp(sys.argv[1], sys.argv[1:])
' "$@"`;

let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function endOf(running: RunServer): Promise<{ code: number | null; signal: string | null }> {
  const { process } = running;
  process.kill('SIGTERM');
  if (process.exitCode === null && process.signalCode === null) await once(process, 'exit');
  return { code: process.exitCode, signal: process.signalCode };
}

async function metrics(running: RunServer): Promise<string> {
  return (await fetch(`http://127.0.0.1:${running.port}/metrics`)).text();
}

async function droppedBytes(running: RunServer, stream: string): Promise<number> {
  const page = await metrics(running);
  const name = `hyperskeleton_log_bytes_dropped_total{stream="${stream}"} `;
  return Number(
    page
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.slice(name.length),
  );
}

function causeOf({ status, headers }: Answer): unknown {
  return [status, headers['x-hyperskeleton-cause']];
}

describe.each([
  ['a pipe', { logs: 'pipes' } as const],
  ['a socket', { launcher: SOCKET_AS_STDERR } as const],
])('a reader of the logs that stands still, behind %s', (_, options) => {
  describe.each(ENGINES)('%s', (engine) => {
    const start = async (env: Record<string, string>): Promise<RunServer> => {
      server = await RunServer.start({ engine, ...options, env });
      return server;
    };

    it('does not switch off the time limit, and what was not written is counted and logged', async () => {
      const log = logFile();
      const running = await start({
        HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '1000',
        HYPERSKELETON_TIMEOUT_GRACE_MS: '100',
        HYPERSKELETON_LOG_FILE: log,
      });
      await running.install(`#!/bin/sh\n${FLOOD}\nsleep 1000\necho "{}"\n`);
      expect(causeOf(await running.run({}, { activation_id: 'stuck' }))).toEqual([504, 'run_timeout']);
      expect(await droppedBytes(running, 'stderr')).toBeGreaterThan(0);
      // C-RUN-16: what has its result in time is answered with it.
      await running.install('#!/bin/sh\necho word >&2\necho "{}"\n');
      expect((await running.run()).status).toBe(200);
      // C-RUN-03: so is what is refused.
      expect((await running.runBody('no JSON')).status).toBe(400);
      expect(await endOf(running)).toEqual(GOOD_END);
      const text = readFileSync(log, 'utf8');
      expect(text).toContain('"activationId":"stuck","logBytesDropped":');
      expect(text).toContain('parts of the logs were not written');
    });

    it('C-SRV-11: does not hold up a shutdown, nor the answers to what it kills', async () => {
      const running = await start({ HYPERSKELETON_GRACE_MS: '300' });
      const gate = new Gate(running.folder);
      await running.install(
        `#!/bin/sh\ncase $1 in *flood*) ${FLOOD};; esac\n${gate.wait}\necho word >&2\necho "{}"\n`,
      );
      const flooding = running.run({ flood: 1 });
      const waiting = running.run();
      await gate.arrivals(1);
      await until('both have come', async () =>
        (await metrics(running)).includes('hyperskeleton_activations_in_flight 2\n'),
      );
      const end = endOf(running);
      for (const answer of await Promise.all([flooding, waiting])) {
        expect(causeOf(answer)).toEqual([500, 'run_shutdown_killed']);
      }
      expect(await end).toEqual(GOOD_END);
      gate.open();
    });
  });
});

describe.each(ENGINES)('a reader of the logs that stands still, ActionLoop (%s)', (engine) => {
  const start = async (env: Record<string, string>): Promise<RunServer> => {
    server = await startActionLoopServer({ engine, logs: 'pipes', env });
    return server;
  };
  // Nothing but what the shell has itself: an ActionLoop process has no PATH.
  const flood = actionLoopScript(
    'case $line in *flood*) while :; do echo 0123456789012345678901234567890123456789 >&2; done;; esac\necho "{}" >&3',
  );

  it('does not switch off the time limit', async () => {
    const running = await start({
      HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '1000',
      HYPERSKELETON_TIMEOUT_GRACE_MS: '100',
    });
    await running.post('/init', actionLoopInit(flood));
    expect(causeOf(await running.run({ flood: 1 }))).toEqual([504, 'run_timeout']);
    expect((await running.run()).status).toBe(200);
    expect(await endOf(running)).toEqual(GOOD_END);
  });

  it('C-SRV-11: does not hold up a shutdown', async () => {
    const running = await start({ HYPERSKELETON_GRACE_MS: '300' });
    await running.post('/init', actionLoopInit(flood));
    const flooding = running.run({ flood: 1 });
    await until('it has come', async () =>
      (await metrics(running)).includes('hyperskeleton_activations_in_flight 1\n'),
    );
    const end = endOf(running);
    expect(causeOf(await flooding)).toEqual([500, 'run_shutdown_killed']);
    expect(await end).toEqual(GOOD_END);
  });
});

it('Knative: a reader of the logs that stands still does not switch off the time limit', async () => {
  const options: ServerOptions = {
    engine: 'posix_spawn',
    logs: 'pipes',
    readiness: '/_hyperskeleton/readyz',
    env: {
      __OW_RUNTIME_PLATFORM: 'knative',
      HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '1000',
      HYPERSKELETON_TIMEOUT_GRACE_MS: '100',
    },
  };
  server = await RunServer.start(options);
  await server.install(`#!/bin/sh\n${FLOOD}\nsleep 1000\necho "{}"\n`);
  expect(causeOf(await server.post('/', '{"value":{}}'))).toEqual([504, 'run_timeout']);
  expect(await endOf(server)).toEqual(GOOD_END);
});
