import { chmod, rm } from 'node:fs/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';
import { Gate, until } from '../support/waiting.js';

const LINE = `${SENTINEL}\n`;
const GOOD = '#!/bin/sh\necho out\necho err >&2\necho "{}"\n';

describe.each(ENGINES)('the end of a log (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine, env: { HYPERSKELETON_MAX_RESULT_BYTES: '1000' } });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await rm(server.exec, { recursive: true, force: true });
    await server.install(GOOD);
    server.takeLogs();
  });

  /** The whole of both logs, as they are when the answer has come. */
  async function logsOf(status: number, body = '{}'): Promise<{ stdout: string; stderr: string }> {
    const answer = await server.runBody(body);
    const { stdout, stderr } = server.takeLogs();
    expect(answer.status, answer.body.toString()).toBe(status);
    return { stdout: stdout.toString(), stderr: stderr.toString() };
  }

  it('C-LOG-01: a 200: stdout but its last line, stderr, one sentinel on each, before the answer', async () => {
    for (let round = 0; round < 20; round++) {
      expect(await logsOf(200)).toEqual({ stdout: `out\n${LINE}`, stderr: `err\n${LINE}` });
    }
  });

  it('C-LOG-01: a run that logs nothing has its sentinels alone', async () => {
    await server.install('#!/bin/sh\necho "{}"\n');
    expect(await logsOf(200)).toEqual({ stdout: LINE, stderr: LINE });
  });

  it.each([
    ['400, not JSON', 400, '{'],
    ['400, an impossible variable', 400, '{"a=b":"c"}'],
    ['404, no dictionary', 404, '{"value":5}'],
  ])('C-LOG-01: %s: the sentinels alone', async (_what, status, body) => {
    expect(await logsOf(status, body)).toEqual({ stdout: LINE, stderr: LINE });
  });

  it('C-LOG-01: a 502 without a result', async () => {
    await server.install('#!/bin/sh\necho err >&2\necho none\n');
    expect(await logsOf(502)).toEqual({ stdout: `none\n${LINE}`, stderr: `err\n${LINE}` });
  });

  it('C-LOG-01: a 502 after a signal', async () => {
    await server.install('#!/bin/sh\necho err >&2\necho none\nkill -KILL $$\n');
    expect(await logsOf(502)).toEqual({ stdout: `none\n${LINE}`, stderr: `err\n${LINE}` });
  });

  it('C-LOG-01: a 502 where exec is missing, a folder, not executable or no program', async () => {
    await chmod(server.exec, 0o644);
    const one = /^error: [^\n]*\nXXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n$/;
    const expectOne = ({ stdout, stderr }: { stdout: string; stderr: string }): void => {
      expect(stdout).toMatch(one);
      expect(stderr).toBe(LINE);
    };
    expectOne(await logsOf(502));
    await server.install('no program\n');
    expectOne(await logsOf(502));
    await rm(server.exec);
    expectOne(await logsOf(502));
  });

  it.each([
    ['/nowhere', 404],
    ['/run/', 404],
  ])('C-LOG-01: no sentinel for %s', async (path, status) => {
    expect((await server.post(path, '{}')).status).toBe(status);
    expect(await server.get('/run')).toBe(405);
    expect(await server.get('/healthz')).toBe(200);
    expect(await logsOf(200)).toEqual({ stdout: `out\n${LINE}`, stderr: `err\n${LINE}` });
  });

  describe('lines without a line break', () => {
    it.each([
      ['stderr cut off', 'printf "cut off" >&2', '', 'cut off\n'],
      ['stderr of one byte', 'printf x >&2', '', 'x\n'],
      ['stderr that ends in an empty line', 'printf "a\\n\\n" >&2', '', 'a\n\n'],
      ['stderr that ends in \\r', 'printf "a\\r" >&2', '', 'a\r\n'],
    ])('C-LOG-03: %s', async (_what, action, stdout, stderr) => {
      await server.install(`#!/bin/sh\n${action}\necho "{}"\n`);
      expect(await logsOf(200)).toEqual({ stdout: stdout + LINE, stderr: stderr + LINE });
    });

    it('C-LOG-03: a last line of stdout without one, no result, gets one before the sentinel', async () => {
      await server.install('#!/bin/sh\nprintf "first\\ncut off"\n');
      expect(await logsOf(502)).toEqual({ stdout: `first\ncut off\n${LINE}`, stderr: LINE });
    });

    it('C-LOG-04: so does one that was too long to be held', async () => {
      await server.install('#!/bin/sh\nhead -c 5000 /dev/zero | tr "\\\\0" x\n');
      expect(await logsOf(502)).toEqual({ stdout: `${'x'.repeat(5000)}\n${LINE}`, stderr: LINE });
    });

    it('C-LOG-03: 3 MB of stderr on one line', async () => {
      await server.install('#!/bin/sh\nhead -c 3000000 /dev/zero | tr "\\\\0" x >&2\necho "{}"\n');
      const { stderr } = await logsOf(200);
      expect(stderr === `${'x'.repeat(3_000_000)}\n${LINE}`).toBe(true);
    });
  });

  it('C-LOG-02: successive runs never mix, whatever becomes of them', async () => {
    await server.installProgram(await compileAction('noisy'));
    const linesOf = (log: Buffer): string[] => log.toString().split('\n').slice(0, -1);
    for (let round = 0; round < 10; round++) {
      const id = `r${round}`;
      expect((await server.run({ id, lines: 20 })).body.toString()).toBe(`{"id":"${id}"}`);
      if (round % 3 === 0) await server.runBody('no JSON');
    }
    const { stdout, stderr } = server.takeLogs();
    for (const [stream, log] of Object.entries({ stdout, stderr })) {
      const expected = Array.from({ length: 10 }, (_, round) => [
        ...Array.from({ length: 20 }, (_line, line) => `r${round} ${stream} ${line}`),
        SENTINEL,
        ...(round % 3 === 0 ? [SENTINEL] : []),
      ]).flat();
      expect(linesOf(log).map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual(expected);
    }
  });
});

describe.each(ENGINES)('refusals that end no log (%s)', (engine) => {
  let server: RunServer;
  afterEach(() => server.stop());

  it('C-LOG-01: 413 and 429: no sentinel', async () => {
    server = await RunServer.start({
      engine,
      env: {
        HYPERSKELETON_MAX_BODY_BYTES: '2000',
        HYPERSKELETON_MAX_IN_FLIGHT: '1',
        HYPERSKELETON_MAX_QUEUED: '0',
      },
    });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const running = server.run();
    await gate.arrivals(1);
    expect((await server.run()).status).toBe(429);
    expect((await server.run({ large: 'x'.repeat(3000) })).status).toBe(413);
    gate.open();
    expect((await running).status).toBe(200);
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it('C-LOG-01: 503 while it drains: no sentinel; what was in flight has its own', async () => {
    server = await RunServer.start({ engine });
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho "{}"\n`);
    const running = server.run();
    await gate.arrivals(1);
    server.process.kill('SIGTERM');
    await until('it drains', async () => (await server.get('/readyz')) === 503);
    expect((await server.run()).status).toBe(503);
    gate.open();
    expect((await running).status).toBe(200);
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });
});
