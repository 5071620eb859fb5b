import { execFileSync } from 'node:child_process';
import { afterEach, describe, expect, it } from 'vitest';
import { ENGINES, RunServer } from '../support/run-server.js';
import { Collected, Gate, until } from '../support/waiting.js';

const SENTINEL_LINE = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';

describe.each(ENGINES)('logs (%s)', (engine) => {
  let server: RunServer | undefined;

  async function start(
    logs: 'files' | 'pipes' = 'files',
    env: Record<string, string> = {},
  ): Promise<RunServer> {
    server = await RunServer.start({ engine, logs, env });
    return server;
  }

  afterEach(async () => {
    await server?.stop();
    server = undefined;
  });

  it('C-LOG-01, C-LOG-06: one sentinel on each stream for every run, whatever its status, before the answer', async () => {
    const running = await start();
    await running.install('#!/bin/sh\nread -r line\necho out\necho err >&2\necho "$line"\n');
    const bodies: [string, number][] = [
      ['{"value":{}}', 200],
      ['no JSON', 400],
      ['{"activation":1}', 400],
      ['{"value":1}', 404],
    ];
    for (const [body, status] of bodies) {
      expect((await running.runBody(body)).status).toBe(status);
      const ran = status === 200;
      expect(running.takeRunLogs()).toEqual({ stdout: ran ? 'out\n' : '', stderr: ran ? 'err\n' : '' });
    }
    await running.install('#!/bin/sh\necho none\n');
    expect((await running.run()).status).toBe(502);
    expect(running.takeRunLogs()).toEqual({ stdout: 'none\n', stderr: '' });
  });

  it('C-LOG-02: successive runs never mix', async () => {
    const running = await start();
    await running.install(
      '#!/bin/sh\nread -r line\nfor n in 1 2 3; do echo "$line $n"; echo "$line $n" >&2; done\necho "{}"\n',
    );
    for (let n = 0; n < 20; n++) await running.run({ n });
    const expected = Array.from(
      { length: 20 },
      (_, n) => [1, 2, 3].map((m) => `{"n":${n}} ${m}\n`).join('') + SENTINEL_LINE,
    ).join('');
    const { stdout, stderr } = running.takeLogs();
    expect(stdout.toString()).toBe(expected);
    expect(stderr.toString()).toBe(expected);
  });

  it('C-LOG-03: stderr without a final newline gets one before the sentinel', async () => {
    const running = await start();
    await running.install('#!/bin/sh\nprintf "cut off" >&2\necho "{}"\n');
    await running.run();
    expect(running.takeLogs().stderr.toString()).toBe(`cut off\n${SENTINEL_LINE}`);
  });

  it('C-LOG-04: lines come while the action runs; the last one is held back', async () => {
    const running = await start('pipes');
    const stdout = new Collected(running.stdout);
    const stderr = new Collected(running.stderr);
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\necho one\necho two\necho three >&2\n${gate.wait}\necho "{}"\n`);
    const answer = running.run();
    await stdout.waitFor('one\n');
    await stderr.waitFor('three\n');
    expect(stdout.text).toBe('one\n');
    gate.open();
    expect((await answer).status).toBe(200);
    expect(stdout.text).toBe(`one\ntwo\n${SENTINEL_LINE}`);
  });

  it('C-LOG-05: lines of runs at the same time are whole and none is lost', async () => {
    const running = await start('pipes');
    const stdout = new Collected(running.stdout);
    const stderr = new Collected(running.stderr);
    const line = 'x'.repeat(6000);
    await running.install(
      `#!/bin/sh\nread -r id\nfor n in 1 2 3 4 5 6 7 8 9 10; do echo "$id $n ${line}"; printf '%s' "$id $n " >&2; echo "${line}" >&2; done\necho "$id"\n`,
    );
    const answers = await Promise.all(Array.from({ length: 30 }, (_, id) => running.run({ id })));
    answers.forEach(({ body }, id) => {
      expect(body.toString()).toBe(`{"id":${id}}`);
    });
    for (const stream of [stdout, stderr]) {
      await stream.waitFor(SENTINEL_LINE, 30);
      const lines = stream.text.split('\n').slice(0, -1);
      const expected = Array.from(
        { length: 300 },
        (_, at) => `{"id":${Math.floor(at / 10)}} ${(at % 10) + 1} ${line}`,
      );
      const sentinels = Array.from({ length: 30 }, () => SENTINEL_LINE.trimEnd());
      expect(sorted(lines)).toEqual(sorted([...expected, ...sentinels]));
    }
  });
});

describe.each(ENGINES)('stdout and stderr that lead to one pipe (%s)', (engine) => {
  it('C-LOG-05: lines of both are whole, as after 2>&1', async () => {
    const server = await RunServer.start({
      engine,
      logs: 'pipes',
      launcher: 'exec "$@" 2>&1',
    });
    try {
      const stdout = new Collected(server.stdout);
      const line = 'x'.repeat(9000);
      await server.install(
        `#!/bin/sh\nread -r id\nfor n in 1 2 3 4 5; do echo "$id ${line}"; echo "$id ${line}" >&2; done\necho "{}"\n`,
      );
      await Promise.all(Array.from({ length: 20 }, (_, id) => server.run({ id })));
      await stdout.waitFor(SENTINEL_LINE, 40);
      const lines = stdout.text.split('\n').slice(0, -1);
      const expected = Array.from({ length: 200 }, (_, at) => `{"id":${Math.floor(at / 10)}} ${line}`);
      const sentinels = Array.from({ length: 40 }, () => SENTINEL_LINE.trimEnd());
      expect(sorted(lines)).toEqual(sorted([...expected, ...sentinels]));
    } finally {
      await server.stop();
    }
  });
});

describe.each(ENGINES)('a reader of the logs (%s)', (engine) => {
  it('C-LOG-01: that is slow holds back the actions that log, not HTTP; nothing is lost', async () => {
    const server = await RunServer.start({ engine, logs: 'pipes' });
    try {
      await server.install(
        '#!/bin/sh\nhead -c 5000000 /dev/zero | tr "\\0" x | fold -w 99\necho\necho "{}"\n',
      );
      let answered = false;
      const answer = server.run().then(({ status }) => {
        answered = true;
        return status;
      });
      await until('the action is held back', () => server.stdout.readableLength > 0 || heldBack(server.pid));
      for (let count = 0; count < 20; count++) expect(await server.get('/healthz')).toBe(200);
      expect(answered).toBe(false);
      const stdout = new Collected(server.stdout);
      expect(await answer).toBe(200);
      await stdout.waitFor(SENTINEL_LINE);
      expect(stdout.text.replaceAll('\n', '').length).toBe(5_000_000 + SENTINEL_LINE.length - 1);
    } finally {
      await server.stop();
    }
  });

  it('C-LOG-01: that goes away (EPIPE) does not take the server with it', async () => {
    const server = await RunServer.start({ engine, logs: 'pipes' });
    try {
      server.stdout.destroy();
      server.stderr.destroy();
      await server.install('#!/bin/sh\nfor n in 1 2 3; do echo "$n"; echo "$n" >&2; done\necho "{}"\n');
      for (let count = 0; count < 5; count++) expect((await server.run()).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});

describe('the server’s own log', () => {
  it('C-SRV-03: it goes to its file, with no parameter in it', async () => {
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_LOG_FILE: '/dev/stdout', HYPERSKELETON_LOG_LEVEL: 'debug' },
    });
    try {
      await server.install('#!/bin/sh\necho none\n');
      await server.run({ password: 'secret' }, { api_key: 'secret' });
      const records = server
        .takeLogs()
        .stdout.toString()
        .split('\n')
        .filter((line) => line.startsWith('{'));
      const parsed = records.map((line) => JSON.parse(line) as Record<string, unknown>);
      expect(parsed).toContainEqual(expect.objectContaining({ msg: 'serving', engine: 'posix_spawn' }));
      expect(parsed).toContainEqual(
        expect.objectContaining({ msg: 'run failed', code: 'run_invalid_result', fault: 'action' }),
      );
      expect(records.join('')).not.toContain('secret');
    } finally {
      await server.stop();
    }
  });
});

/** Whether a process below waits for room in a pipe (proc(5), wchan is not always readable: ps reads what there is). */
function heldBack(pid: number): boolean {
  return execFileSync('ps', ['-eo', 'ppid,stat,wchan'], { encoding: 'utf8' }).includes(`${pid} `);
}

function sorted(lines: readonly string[]): string[] {
  return [...lines].sort((a, b) => (a < b ? -1 : 1));
}
