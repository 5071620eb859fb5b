import { readdirSync, readFileSync, statSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { startsIn } from '../support/engine-log.js';
import { compileAction } from '../support/run-programs.js';
import { RunServer } from '../support/run-server.js';
import { buildProgram } from './build.js';

/**
 * What a server was started with and passes on: the process of a run has the same of it whether it is spawned or cloned.
 * Each line of names is given to test/fixtures/actions/circumstances.c.
 */
const CIRCUMSTANCES = ['limits files scheduling signals', 'small-stack core terminal', 'endless-stack'];
/** Those that only root can make. */
const OF_ROOT = ['user', 'limits files filter bits memory user'];
const isRoot = process.getuid?.() === 0;
const RUNS = 3;

let launcher: string;
beforeAll(async () => {
  launcher = await compileAction('circumstances');
});

function start(engine: string, names: string): Promise<RunServer> {
  const owner = isRoot ? 'chown -R 65534 "$TMPDIR/..";' : '';
  return RunServer.start({
    engine,
    launcher: `${owner} export HYPERSKELETON_LOG_FILE="$TMPDIR/../log"; exec ${launcher} ${names} -- "$@"`,
    env: { HYPERSKELETON_LOG_LEVEL: 'debug' },
    flags: ['--threads', '1'],
  });
}

/** What the action tells of itself in some runs, without what two servers differ in. */
async function factsUnder(
  engine: string,
  names: string,
  install: (server: RunServer) => Promise<void>,
): Promise<string[]> {
  const server = await start(engine, names);
  try {
    await install(server);
    const all: string[] = [];
    for (let run = 0; run < RUNS; run++) {
      // Its last line is no result.
      expect((await server.run({ run }, { activation_id: 'x'.repeat(run) })).status).toBe(502);
      const { stdout, stderr } = server.takeRunLogs();
      expect(stderr).toBe('');
      // Whole numbers: its digits may stand in others, such as an inode's.
      const pid = new RegExp(`\\b${server.pid}\\b`, 'g');
      all.push(stdout.replaceAll(server.folder, 'FOLDER').replaceAll(pid, 'SERVER'));
    }
    expect(startsIn(join(server.folder, 'log'))).toEqual({ [engine]: RUNS });
    return all;
  } finally {
    await server.stop();
  }
}

const ACTIONS = [
  { kind: 'static', flags: ['-static'] },
  { kind: 'dynamic', flags: [] },
  { kind: 'executed by a script', flags: [], isExecuted: true },
];

describe.each(isRoot ? [...CIRCUMSTANCES, ...OF_ROOT] : CIRCUMSTANCES)('under %s', (names) => {
  it.each(ACTIONS)('a process that is $kind is the same', async ({ flags, isExecuted }) => {
    const facts = (await buildProgram('facts.c', flags)) as string;
    const install = async (server: RunServer): Promise<void> => {
      if (isExecuted !== true) return server.installProgram(facts);
      await copyFile(facts, join(server.actionRoot, 'facts'));
      await server.install('#!/bin/sh\nexec ./facts "$@"\n');
    };
    const spawned = await factsUnder('posix_spawn', names, install);
    const cloned = await factsUnder('forkserver', names, install);
    expect(cloned).toEqual(spawned);
    // And they do reach it.
    if (flags.length > 0) expect(await factsUnder('posix_spawn', '', install)).not.toEqual(spawned);
  });
});

/** Where a core comes to is the system's to say (core(5)). */
const leavesCores = /^[^|/]/.test(readFileSync('/proc/sys/kernel/core_pattern', 'latin1'));

it.runIf(leavesCores).each(['forkserver', 'posix_spawn'])(
  'a run that crashes leaves a core (%s)',
  async (engine) => {
    const server = await start(engine, 'core');
    try {
      await server.install('#!/bin/sh\nkill -SEGV $$\n');
      expect((await server.run()).status).toBe(502);
      const cores = readdirSync(server.actionRoot).filter((name) => name !== 'exec');
      expect(cores).toHaveLength(1);
      expect(statSync(join(server.actionRoot, cores[0] as string)).size).toBeGreaterThan(10_000);
      expect(startsIn(join(server.folder, 'log'))).toEqual({ [engine]: 1 });
    } finally {
      await server.stop();
    }
  },
);
