import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { childrenOf, end, Gate, isAlive, stateOf, until } from '../support/waiting.js';

/** Leaves three behind: one in its group, one that ignores SIGTERM, one that has a session of its own. */
const LEAVES = [
  '#!/bin/sh',
  'sleep 1000 >/dev/null 2>&1 & echo $! > pid-group',
  '(trap "" TERM; while :; do sleep 1; done) >/dev/null 2>&1 & echo $! > pid-stubborn',
  './daemonize > daemon.json 2>/dev/null',
  "sed 's/[^0-9]//g' daemon.json > pid-daemon",
  'echo "{}"',
  '',
].join('\n');

describe.each(ENGINES)('what an activation leaves behind (%s)', (engine) => {
  let server: RunServer;
  const pids: number[] = [];
  const start = async (leftovers?: string): Promise<void> => {
    server = await RunServer.start({ engine, env: leftovers ? { HYPERSKELETON_LEFTOVERS: leftovers } : {} });
  };
  afterEach(async () => {
    for (const pid of pids.splice(0)) end(pid);
    await server.stop();
  });

  const pidOf = async (name: string): Promise<number> => {
    const path = join(server.actionRoot, `pid-${name}`);
    await until(
      `${name} has told its pid`,
      () => existsSync(path) && readFileSync(path, 'utf8').endsWith('\n'),
    );
    const pid = Number(readFileSync(path, 'utf8'));
    pids.push(pid);
    return pid;
  };

  async function left(): Promise<{ group: number; stubborn: number; daemon: number }> {
    await server.write('daemonize.c', '');
    const program = readFileSync(await compileAction('daemonize'));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(server.actionRoot, 'daemonize'), program, { mode: 0o755 });
    await server.install(LEAVES);
    expect((await server.run()).status).toBe(200);
    return { group: await pidOf('group'), stubborn: await pidOf('stubborn'), daemon: await pidOf('daemon') };
  }

  const metric = async (name: string): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    return Number(
      text
        .split('\n')
        .find((line) => line.startsWith(`${name} `))
        ?.slice(name.length + 1),
    );
  };

  it('C-RUN-25: lives on by default, and is counted', async () => {
    await start();
    const { group, stubborn, daemon } = await left();
    expect([group, stubborn, daemon].every(isAlive)).toBe(true);
    expect((await server.run()).status).toBe(200);
    expect([group, stubborn, daemon].every(isAlive)).toBe(true);
    // Without the native library nothing makes the server their parent.
    if (engine !== 'child_process')
      expect(await metric('hyperskeleton_leftover_processes')).toBeGreaterThanOrEqual(3);
    expect(await metric('hyperskeleton_leftovers_killed_total')).toBe(0);
  });

  it('C-RUN-25: group kills what is in its process group, and leaves a daemon alone', async () => {
    await start('group');
    const { group, stubborn, daemon } = await left();
    await until('both are gone', () => !isAlive(group) && !isAlive(stubborn));
    expect(isAlive(daemon)).toBe(true);
    expect(await metric('hyperskeleton_leftovers_killed_total')).toBeGreaterThanOrEqual(2);
  });

  it('C-RUN-25: all kills every descendant', async () => {
    await start('all');
    const { group, stubborn, daemon } = await left();
    await until('all are gone', () => [group, stubborn, daemon].every((pid) => !isAlive(pid)));
    expect(await metric('hyperskeleton_leftovers_killed_total')).toBeGreaterThanOrEqual(3);
    await until('and reaped', () => childrenOf(server.pid).length === 0);
  });

  it('C-RUN-25: all spares what an activation still under way has started', async () => {
    await start('all');
    const program = readFileSync(await compileAction('daemonize'));
    const { writeFileSync } = await import('node:fs');
    writeFileSync(join(server.actionRoot, 'daemonize'), program, { mode: 0o755 });
    const gate = new Gate(server.folder);
    await server.install(
      `#!/bin/sh\ncase $1 in *long*) ./daemonize > daemon.json 2>/dev/null; sed 's/[^0-9]//g' daemon.json > pid-daemon; ${gate.wait};; esac\necho "{}"\n`,
    );
    const long = server.run({ long: 1 });
    await gate.arrivals(1);
    const daemon = await pidOf('daemon');
    expect((await server.run()).status).toBe(200);
    expect(isAlive(daemon)).toBe(true);
    gate.open();
    await long;
    await until('it is gone', () => !isAlive(daemon));
  });

  it('C-RUN-25: a result that a leftover process writes after the end counts, and no leftover is killed before', async () => {
    await start('group');
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n(${gate.wait}; echo '{"late":1}') &\n`);
    const run = server.run();
    await gate.arrivals(1);
    gate.open();
    expect((await run).body.toString()).toBe('{"late":1}');
  });

  it('C-RUN-25: the answer does not wait for what holds stdout, and nothing of it accumulates', async () => {
    await start('group');
    await server.install('#!/bin/sh\nsleep 1000 &\necho "{}"\n');
    for (let run = 0; run < 20; run++) expect((await server.run()).status).toBe(200);
    await until('nothing is left', () => childrenOf(server.pid).every((pid) => stateOf(pid) === undefined));
  });
});
