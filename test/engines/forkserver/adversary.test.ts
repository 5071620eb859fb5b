import { readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { engineLog, startsIn } from '../../support/engine-log.js';
import { logFile } from '../../support/log-file.js';
import { RunServer, type ServerOptions } from '../../support/run-server.js';
import { scrape } from '../../support/scrape.js';
import { Gate, stateOf, templatesOf, until } from '../../support/waiting.js';

/** Leaves its token in a file before it answers with it: what ran without an answer, or twice, shows there. */
const COUNTED =
  '#!/bin/sh\necho "$__OW_ACTIVATION_ID" >> ran\necho "{\\"id\\":\\"$__OW_ACTIVATION_ID\\",\\"argument\\":$1}"\n';

let server: RunServer;
let log: string;
afterEach(() => server.stop());

async function start(options: Partial<ServerOptions> = {}): Promise<void> {
  log = logFile();
  server = await RunServer.start({
    engine: 'forkserver',
    ...options,
    env: { ...engineLog(log), ...options.env },
  });
}

/** The tokens of all runs that have begun, in order. */
function ran(): string[] {
  return readFileSync(join(server.actionRoot, 'ran'), 'latin1').trim().split('\n').sort();
}

/** One run, whose answer must be its own. */
async function counted(id: string): Promise<void> {
  const answer = await server.run({ of: id }, { activation_id: id });
  expect([answer.status, answer.body.toString()]).toEqual([200, `{"id":"${id}","argument":{"of":"${id}"}}`]);
}

/** Templates lead their group, prewarmed clones are in it. */
function leaders(): number[] {
  return templatesOf(server.pid).filter((pid) => groupOf(pid) === pid);
}

function groupOf(pid: number): number | undefined {
  try {
    return Number(readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ')[2]);
  } catch {
    return undefined;
  }
}

/** Kills a prewarmed clone, unless it has begun meanwhile: that would be killing an action. */
async function killWaiting(pid: number): Promise<void> {
  try {
    process.kill(pid, 'SIGSTOP');
    await until('it stands still, or has ended', () => !/[RSD]/.test(stateOf(pid) ?? ''));
    process.kill(pid, templatesOf(server.pid).includes(pid) ? 'SIGKILL' : 'SIGCONT');
  } catch {
    // It has ended.
  }
}

describe('templates that are killed under load', () => {
  const CALLERS = 8;
  const ROUNDS = 4;

  it('of each worker: no answer is lost or swapped, and each run happens exactly once', async () => {
    await start({ flags: ['--threads', '2'] });
    await server.install(COUNTED);
    await Promise.all(Array.from({ length: CALLERS }, (_, caller) => counted(`first-${caller}`)));
    let serial = CALLERS;
    let goesOn = true;
    const load = Promise.all(
      Array.from({ length: CALLERS }, async () => {
        while (goesOn) await counted(`run-${serial++}`);
      }),
    );
    for (let round = 0; round < ROUNDS; round++) {
      await until('each worker has a template', () => leaders().length >= 2);
      const all = templatesOf(server.pid);
      const templates = leaders();
      for (const pid of templates) process.kill(pid, 'SIGKILL');
      for (const pid of all.filter((one) => !templates.includes(one))) await killWaiting(pid);
    }
    goesOn = false;
    await load;
    const tokens = ran();
    expect(tokens).toHaveLength(serial);
    expect(new Set(tokens).size).toBe(serial);
    const { value } = await scrape(server.port);
    expect(value('hyperskeleton_forkserver_templates_total{event="died"}')).toBeGreaterThanOrEqual(ROUNDS);
    expect(startsIn(log).forkserver).toBeGreaterThan(0);
  });
});

describe('an action that turns on its template', () => {
  /** Sends a signal to all templates and prewarmed clones, or to the whole group of a template. */
  const turnsOn = (signal: string, whom: string): string => `#!/bin/sh
for pid in $(cat /proc/$PPID/task/*/children); do
  read -r name < /proc/$pid/comm && [ "$name" = hs-template ] && kill -${signal} ${whom}$pid
done 2>/dev/null
${COUNTED.replace('#!/bin/sh\n', '')}`;

  it.each([
    ['KILL', ''],
    ['TERM', ''],
    ['STOP', ''],
    ['STOP', '-'],
    ['ABRT', ''],
  ])('by SIG%s to %j and its number: each run is answered, once', async (signal, whom) => {
    await start({ flags: ['--threads', '1'] });
    await server.install(turnsOn(signal, whom));
    for (let run = 0; run < 5; run++) {
      await counted(`run-${run}`);
      await until('templates that were killed are reaped', () =>
        templatesOf(server.pid).every((pid) => stateOf(pid) !== 'Z'),
      );
    }
    expect(ran()).toHaveLength(5);
    expect(startsIn(log).forkserver).toBeGreaterThan(0);
  });
});

describe('an action for whose processes there is no room', () => {
  const USER = 61_234;
  const MAX_PROCESSES = 60;
  const RUNS = 80;

  it.runIf(process.getuid?.() === 0)(
    'RLIMIT_NPROC: what can’t be started says so, everything else runs once, and later runs find room again',
    async () => {
      await start({
        flags: ['--threads', '2', '--max-in-flight', String(RUNS)],
        launcher: `chown -R ${USER} "$TMPDIR/.."; export HYPERSKELETON_LOG_FILE="$TMPDIR/../log"; exec setpriv --reuid=${USER} --clear-groups prlimit --nproc=${MAX_PROCESSES} "$@"`,
      });
      log = join(server.folder, 'log');
      const gate = new Gate(server.folder);
      await chmod(join(gate.folder), 0o777);
      await server.install(`#!/bin/sh\necho "$__OW_ACTIVATION_ID" >> ran\n${gate.wait}\necho "{}"\n`);
      const answers = Array.from({ length: RUNS }, (_, run) =>
        server.run({}, { activation_id: `run-${run}` }),
      );
      const settled: number[] = [];
      for (const answer of answers)
        answer.then(
          ({ status }) => settled.push(status),
          () => {},
        );
      await until('all have begun or been refused', () => gate.arrived + settled.length === RUNS);
      gate.open();
      const answered = await Promise.all(answers);
      const refused = answered.filter(({ status }) => status !== 200);
      const served = RUNS - refused.length;
      expect(served).toBeGreaterThan(0);
      expect(served).toBeLessThan(RUNS);
      // A run for which there is a process, but none for what its script starts, fails by itself.
      const ofRuntime = refused.filter(({ status }) => status !== 502);
      expect(ofRuntime.length).toBeGreaterThan(0);
      for (const { headers } of ofRuntime) expect(headers['x-hyperskeleton-cause']).toBe('run_no_resources');
      expect(new Set(ran()).size).toBe(served);
      expect(ran()).toHaveLength(served);
      const { value } = await scrape(server.port);
      expect(value('hyperskeleton_forkserver_refusals_total{reason="not_cloned"}')).toBeGreaterThan(0);
      await server.install(COUNTED);
      for (let run = 0; run < 3; run++) await counted(`later-${run}`);
    },
  );
});
