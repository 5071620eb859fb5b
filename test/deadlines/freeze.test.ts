import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, it } from 'vitest';
import { actionLoopInit, actionLoopScript, startActionLoopServer } from '../support/actionloop-server.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { childrenOf, Gate, stateOf, until } from '../support/waiting.js';

/** Longer than every limit that is set below. */
const FROZEN_MS = 2500;

/** Stops every process of a tree, as the freezer does, and lets them go on after a while (C-PLAT-08). */
async function freeze(server: RunServer): Promise<void> {
  const tree = treeOf(server.pid);
  for (const pid of tree) send(pid, 'SIGSTOP');
  await until('all have stopped', () => tree.every((pid) => ['T', 'Z', undefined].includes(stateOf(pid))));
  // Nothing announces that enough time has passed.
  await delay(FROZEN_MS);
  for (const pid of tree) send(pid, 'SIGCONT');
}

/** To one that may have ended by now, as what an action waits by does. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function treeOf(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(treeOf)];
}

describe.each(ENGINES)('a container that is frozen and thawed (%s)', (engine) => {
  let server: RunServer;
  afterEach(() => server.stop());

  it('C-PLAT-08: fires no false time-out, in the queue or while it runs', async () => {
    server = await RunServer.start({
      engine,
      env: { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '2000', HYPERSKELETON_MAX_IN_FLIGHT: '1' },
    });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const runs = [server.run(), server.run()];
    await gate.arrivals(1);
    await freeze(server);
    gate.open();
    expect((await Promise.all(runs)).map(({ status }) => status)).toEqual([200, 200]);
  });

  it('C-PLAT-08: waits on for the output of leftover processes', async () => {
    server = await RunServer.start({ engine, env: { HYPERSKELETON_DRAIN_MS: '2000' } });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n(${gate.wait}; echo '{"late":1}') &\n`);
    const run = server.run();
    await gate.arrivals(1);
    await freeze(server);
    gate.open();
    expect((await run).body.toString()).toBe('{"late":1}');
  });

  it('C-PLAT-08: ends no grace period before its time', async () => {
    server = await RunServer.start({ engine, flags: ['--grace-ms', '2000'] });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const run = server.run();
    await gate.arrivals(1);
    server.process.kill('SIGTERM');
    await until('it drains', async () => (await server.get('/readyz').catch(() => 0)) === 503);
    await freeze(server);
    gate.open();
    expect((await run).status).toBe(200);
    await until('the server has ended', () => server.process.exitCode === 0);
  });

  it('C-PLAT-08: an ActionLoop process lives on, and serves the next activation', async () => {
    server = await startActionLoopServer({
      engine,
      env: { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '2000', HYPERSKELETON_ACTIONLOOP_IDLE_MS: '2000' },
    });
    const gate = new Gate(server.folder);
    await server.post(
      '/init',
      actionLoopInit(actionLoopScript(`case $line in *wait*) ${gate.wait};; esac; echo "[$$]" >&3`)),
    );
    const before = (await server.run()).body.toString();
    const run = server.run({ wait: 1 });
    await gate.arrivals(1);
    await freeze(server);
    gate.open();
    expect((await run).body.toString()).toBe(before);
    expect((await server.run()).body.toString()).toBe(before);
  });

  it('C-PLAT-02: a stem cell serves its first activation at once', async () => {
    server = await RunServer.start({ engine });
    await freeze(server);
    expect((await server.run()).status).toBe(200);
  });
});
