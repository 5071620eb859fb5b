import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { type Answer, ENGINES, RunServer } from '../support/run-server.js';
import { isAlive, settledDescriptors, stateOf, until } from '../support/waiting.js';

/** Joins the server's own process group, or another one, where the system lets it. */
const JOIN = (group: string): string => `#!/usr/bin/env python3
import os, sys, time
open("pid", "w").write(str(os.getpid()))
try:
    os.setpgid(0, ${group})
except OSError:
    pass
time.sleep(1000)
`;

/**
 * Is traced by a process in a session of its own that never waits for it. With PTRACE_O_TRACEEXIT it stops on its way
 * out, SIGKILL or not (ptrace(2)).
 */
const TRACED = `#!/usr/bin/env python3
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
me = os.getpid()
if os.fork() == 0:
    os.setsid()
    os.close(1)
    os.close(2)
    libc.ptrace(ctypes.c_long(0x4206), me, None, ctypes.c_void_p(0x40))
    open("tracer", "w").write(str(os.getpid()))
    time.sleep(1000)
while not os.path.exists("tracer"):
    time.sleep(0.01)
open("pid", "w").write(str(me))
time.sleep(1000)
`;

describe.each(ENGINES)('an action that is hard to end (%s)', (engine) => {
  let server: RunServer;
  afterEach(async () => {
    for (const name of ['pid', 'tracer']) kill(pidIn(name));
    await server.stop();
  });
  const pidIn = (name: string): number => {
    try {
      return Number(readFileSync(join(server.actionRoot, name), 'utf8'));
    } catch {
      return 0;
    }
  };
  const start = async (env: Record<string, string>): Promise<void> => {
    server = await RunServer.start({ engine, env });
  };
  const causeOf = ({ status, headers }: Answer): unknown => [status, headers['x-hyperskeleton-cause']];

  describe.each([
    ["joins the server's process group", JOIN('os.getpgid(os.getppid())')],
    ['leads a group no more', JOIN('os.getpgid(os.getsid(0))')],
    ['is traced', TRACED],
  ])('that %s', (_, action) => {
    it('is ended by the time limit', async () => {
      await start({ HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '1000', HYPERSKELETON_TIMEOUT_GRACE_MS: '100' });
      await server.install('#!/bin/sh\necho "{}"\n');
      await server.run();
      const before = await settledDescriptors(server.pid);
      await server.install(action);
      expect(causeOf(await server.run())).toEqual([504, 'run_timeout']);
      // The server's own group lives.
      expect(await server.get('/healthz')).toBe(200);
      const pid = pidIn('pid');
      kill(pidIn('tracer'));
      await until('it is reaped', () => stateOf(pid) === undefined);
      await server.install('#!/bin/sh\necho "{}"\n');
      expect((await server.run()).status).toBe(200);
      expect(await settledDescriptors(server.pid)).toBeLessThanOrEqual(before + 3);
    });

    it('C-SRV-11: does not hold up a shutdown', async () => {
      await start({ HYPERSKELETON_GRACE_MS: '200' });
      await server.install(action);
      const run = server.run();
      await until('it runs', () => pidIn('pid') > 0);
      const pid = pidIn('pid');
      server.process.kill('SIGTERM');
      expect(causeOf(await run)).toEqual([500, 'run_shutdown_killed']);
      if (server.process.exitCode === null) await once(server.process, 'exit');
      expect([server.process.exitCode, server.process.signalCode]).toEqual([0, null]);
      kill(pidIn('tracer'));
      await until('it has ended', () => !isAlive(pid));
    });
  });
});

function kill(pid: number): void {
  try {
    if (pid > 0) process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended.
  }
}
