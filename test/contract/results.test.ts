import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ENGINES, RunServer } from '../support/run-server.js';

const M_RESULT = 'The action did not return a dictionary or array.';
const DEEPEST = 10_000;

describe.each(ENGINES)('results (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine });
  });
  afterAll(() => server.stop());
  beforeEach(() => void server.takeLogs());

  /** Runs an action that writes these bytes to stdout, and nothing else. */
  async function printed(
    output: string | Buffer,
    ending = '',
  ): Promise<{ status: number; body: string; log: string }> {
    await server.install(
      `#!/bin/sh\ncat <<'EOF-' | base64 -d\n${Buffer.from(output as string).toString('base64')}\nEOF-\n${ending}`,
    );
    const answer = await server.run();
    expect(answer.headers['content-type']).toBe('application/json');
    return {
      status: answer.status,
      body: answer.body.toString(),
      log: server.takeLogs().stdout.toString('latin1'),
    };
  }

  const SENTINEL = 'XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n';

  it.each([
    ['an object', '{"a":1}\n', '{"a":1}', ''],
    ['no final newline', '{"a":1}', '{"a":1}', ''],
    ['an array', 'log\n[1, 2]\n', '[1, 2]', 'log\n'],
    ['blanks and \\r around it', 'a\nb\n \t{"a":1} \t\r\n', '{"a":1}', 'a\nb\n'],
    [
      'its own text',
      '{"b" : 12345678901234567890, "a":1.50,"c":1e400,"d":"\\u00e9é"}\n',
      '{"b" : 12345678901234567890, "a":1.50,"c":1e400,"d":"\\u00e9é"}',
      '',
    ],
    ['duplicate keys', '{"a":1,"a":2}\n', '{"a":1,"a":2}', ''],
    ['\\r ends no line', 'x\r{"a":1}\n{"b":1}\n', '{"b":1}', 'x\r{"a":1}\n'],
    ['an error field (C-RUN-20)', '{"error":"mine"}\n', '{"error":"mine"}', ''],
  ])('C-RUN-16, C-RUN-21, C-RUN-22: %s', async (_what, output, body, log) => {
    expect(await printed(output)).toEqual({
      status: 200,
      body,
      log: Buffer.from(log).toString('latin1') + SENTINEL,
    });
  });

  it.each([
    ['an empty last line (C-RUN-17)', '{}\n\n', '{}\n\n'],
    ['nothing', '', '\n'],
    ['a number', '5\n', '5\n'],
    ['a string', 'log\n"s"', 'log\n"s"\n'],
    ['null', 'null\n', 'null\n'],
    ['true', 'true\n', 'true\n'],
    ['no JSON', 'hello\n', 'hello\n'],
    ['NaN (C-RUN-22)', '{"a":NaN}\n', '{"a":NaN}\n'],
    ['a control character (C-RUN-22)', '{"a":"\u0001"}\n', '{"a":"\u0001"}\n'],
    ['two values', '{}{}\n', '{}{}\n'],
  ])(
    'C-RUN-18: %s is a 502 (run_invalid_result), and its last line goes to the log',
    async (_what, output, log) => {
      const answer = await printed(output);
      expect([answer.status, JSON.parse(answer.body)]).toEqual([502, { error: M_RESULT }]);
      expect(answer.log).toBe(log + SENTINEL);
    },
  );

  it('C-RUN-22: a byte order mark before it is a 502', async () => {
    expect((await printed('\ufeff{}\n')).status).toBe(502);
  });

  it('C-RUN-23: log bytes pass unchanged; a result that is not UTF-8 is a 502', async () => {
    const log = Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x0a]);
    const good = await printed(Buffer.concat([log, Buffer.from('{}\n')]));
    expect([good.status, good.log]).toEqual([200, log.toString('latin1') + SENTINEL]);
    const bad = await printed(Buffer.from('7b2261223a22ff227d0a', 'hex'));
    expect([bad.status, bad.log]).toEqual([502, `{"a":"\xff"}\n${SENTINEL}`]);
  });

  it('D-17: results nested 10,000 deep are taken, deeper ones are a 502, 100,000 too', async () => {
    for (const [depth, status] of [
      [DEEPEST, 200],
      [DEEPEST + 1, 502],
      [100_000, 502],
    ] as const) {
      expect((await printed(`${'['.repeat(depth)}${']'.repeat(depth)}\n`)).status).toBe(status);
    }
  });

  it.each(['exit 3', 'kill -KILL $$', 'kill -SEGV $$'])('C-RUN-19: %s does not matter', async (ending) => {
    expect(await printed('{"a":1}\n', ending)).toMatchObject({ status: 200, body: '{"a":1}' });
  });

  it('C-RUN-24: many MB on both streams and a 5 MB result, without a deadlock', async () => {
    await server.install(
      '#!/bin/sh\nhead -c 3000000 /dev/zero | tr "\\0" e | fold -w 100 >&2\nhead -c 3000000 /dev/zero | tr "\\0" o | fold -w 100\necho\nprintf \'{"x":"\'\nhead -c 5000000 /dev/zero | tr "\\0" r\necho \'"}\'\n',
    );
    const answer = await server.run();
    expect(answer.status).toBe(200);
    expect(answer.body.equals(Buffer.from(`{"x":"${'r'.repeat(5_000_000)}"}`))).toBe(true);
    const { stdout, stderr } = server.takeRunLogs();
    expect(stdout.replaceAll('\n', '')).toBe('o'.repeat(3_000_000));
    expect(stderr.replaceAll('\n', '')).toBe('e'.repeat(3_000_000));
  });
});

describe('a last line that is too long', () => {
  it('D-18: is logged whole and a 502 (run_result_too_large); a long line before the last is logged whole', async () => {
    const server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_MAX_RESULT_BYTES: '100000', HYPERSKELETON_LOG_FILE: '/dev/null' },
    });
    try {
      const long = 'head -c 1000000 /dev/zero | tr "\\0" x\n';
      await server.install(`#!/bin/sh\n${long}echo\necho '{"a":1}'\n`);
      expect((await server.run()).body.toString()).toBe('{"a":1}');
      expect(server.takeRunLogs().stdout).toBe(`${'x'.repeat(1_000_000)}\n`);
      await server.install(`#!/bin/sh\necho first\n${long}`);
      const answer = await server.run();
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([502, { error: M_RESULT }]);
      expect(server.takeRunLogs().stdout).toBe(`first\n${'x'.repeat(1_000_000)}\n`);
    } finally {
      await server.stop();
    }
  });
});
