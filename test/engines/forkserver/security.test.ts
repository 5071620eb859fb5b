import { readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineFixture } from '../../support/run-engine.js';
import { RunServer } from '../../support/run-server.js';
import { templatesOf, until } from '../../support/waiting.js';
import { buildProgram, isHere } from '../../zoo/build.js';

const CLONES = 200;
/** Where the program can read its canary. */
const hasCanary = process.arch === 'x64';
const SECRET = 'correct-horse-battery-staple';
/** As the program `scan` takes it: it must not hold what it looks for. */
const DISGUISED = [...SECRET].map((letter) => String.fromCharCode(letter.charCodeAt(0) + 1)).join('');

let rig: EngineFixture | undefined;
afterEach(async () => {
  await rig?.close();
  rig = undefined;
});

async function rigWith(source: string, flags: readonly string[]): Promise<EngineFixture> {
  rig = new EngineFixture('forkserver');
  rig.installProgram((await buildProgram(source, flags)) as string);
  return rig;
}

async function lineOf(running: EngineFixture, argument = '{}', variables = {}): Promise<string> {
  const run = await running.run({ argument, variables });
  expect(run).toMatchObject({ outcome: 'started', exit: { status: 0 } });
  return run.stdout.trim();
}

describe.each([['static'], ['dynamic']])('what clones share (%s)', (kind) => {
  const flags = kind === 'static' ? ['-static'] : ['-fstack-protector-all'];

  it('nothing of one run is in the memory of the next, whoever is cloned', async () => {
    const running = await rigWith('scan.c', flags);
    const scanned = async (): Promise<unknown> =>
      JSON.parse(await lineOf(running, `look:${DISGUISED}`, { X: '1' }));
    // That it would be found where it is.
    const planted = JSON.parse(await lineOf(running, `plant:${DISGUISED}`, { X: '1' })) as { found: number };
    expect(planted.found).toBeGreaterThan(0);
    for (let round = 0; round < 10; round++) {
      const long = SECRET.repeat(1 + round * 20);
      await lineOf(running, long.slice(0, 3000), { X: long.slice(0, 900) });
      expect(await scanned()).toEqual({ found: 0, looked: 1, planted: 0 });
    }
    // The clones that were made ahead, too, and those of a run that waited at the same time.
    await Promise.all(Array.from({ length: 10 }, () => lineOf(running, SECRET, { X: SECRET })));
    const after = await Promise.all(Array.from({ length: 10 }, scanned));
    for (const one of after) expect(one).toEqual({ found: 0, looked: 1, planted: 0 });
    expect(running.stats.counters.clonesStarted).toBeGreaterThan(40);
  });

  it('C-RUN-14: canary, AT_RANDOM, getrandom and /dev/urandom differ in each clone', async () => {
    const running = await rigWith('random.c', flags);
    const seen = Array.from({ length: 5 }, () => new Set<string>());
    for (let count = 0; count < CLONES; count++) {
      const values = (await lineOf(running)).split(' ');
      for (const [index, value] of values.entries()) seen[index]?.add(value);
      // A canary's last byte is zero in every process.
      if (hasCanary) expect(values[0]).toMatch(/^(?!0{16}).{14}00$/);
    }
    const counts = seen.map(({ size }) => size);
    expect(counts).toEqual([hasCanary ? CLONES : 1, CLONES, CLONES, CLONES, CLONES]);
    expect(running.stats.counters.clonesStarted).toBe(CLONES);
  });
});

const canDrop = process.getuid?.() === 0 && (await isHere('setpriv'));

describe.runIf(canDrop)('a template of an unprivileged server', () => {
  it('can’t be looked into by an action of the same user', async () => {
    const server = await RunServer.start({
      engine: 'forkserver',
      launcher: `chown -R 65534 "$TMPDIR/.."; exec setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all "$@"`,
    });
    try {
      await server.install('#!/bin/sh\necho "{}"\n');
      expect((await server.run()).status).toBe(200);
      await until('there are templates', () => templatesOf(server.pid).length > 1);
      // A new action would have a new template: it reads the ids from its arguments.
      await server.install(
        `#!/bin/sh
read -r line
own=0; other=0
cat /proc/$$/environ >/dev/null && own=1
for pid in $(cat /proc/$PPID/task/*/children); do
  [ "$(cat /proc/$pid/comm)" = hs-template ] || continue
  cat /proc/$pid/environ >/dev/null 2>&1 && other=1
  cat /proc/$pid/maps >/dev/null 2>&1 && other=1
  seen=1
done
echo "{\\"own\\":$own,\\"other\\":$other,\\"seen\\":\${seen:-0}}"
`,
      );
      for (let round = 0; round < 5; round++) {
        await server.run();
        const answer = JSON.parse((await server.run()).body.toString()) as Record<string, number>;
        expect(answer).toEqual({ own: 1, other: 0, seen: 1 });
      }
      const status = readFileSync(`/proc/${templatesOf(server.pid)[0]}/status`, 'utf8');
      expect(status).toMatch(/^TracerPid:\t0$/m);
    } finally {
      await server.stop();
    }
  });
});
