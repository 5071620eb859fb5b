import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ENGINES, RunServer, SENTINEL } from '../support/run-server.js';

const M_RESULT = 'The action did not return a dictionary or array.';

interface Outcome {
  readonly status: number;
  readonly body: Buffer;
  readonly log: Buffer;
}

describe.each(ENGINES)('result (%s)', (engine) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await server.install('#!/bin/sh\nexec cat output\n');
    server.takeLogs();
  });

  /** Runs an action whose whole stdout is these bytes. */
  async function outcomeOf(output: string | Uint8Array): Promise<Outcome> {
    await server.write('output', output);
    const { status, body } = await server.run();
    const { stdout, stderr } = server.takeLogs();
    expect(stderr.toString()).toBe(`${SENTINEL}\n`);
    const log = stdout.subarray(0, stdout.length - SENTINEL.length - 1);
    expect(stdout.subarray(log.length).toString()).toBe(`${SENTINEL}\n`);
    return { status, body, log };
  }

  async function expectResult(output: string | Uint8Array, result: string, log = ''): Promise<void> {
    const outcome = await outcomeOf(output);
    expect([outcome.status, outcome.body.toString()]).toEqual([200, result]);
    expect(outcome.log.toString()).toBe(log);
  }

  async function expectNone(output: string | Uint8Array, log: string | Uint8Array): Promise<void> {
    const outcome = await outcomeOf(output);
    expect([outcome.status, outcome.body.toString()]).toEqual([502, JSON.stringify({ error: M_RESULT })]);
    expect(outcome.log.toString('latin1')).toBe(Buffer.from(log as string).toString('latin1'));
  }

  describe('which line it is', () => {
    it.each([
      ['an empty object', '{}', '{}', ''],
      ['an empty array', '[]\n', '[]', ''],
      ['the last of many objects', '{"a":1}\n{"b":2}\n', '{"b":2}', '{"a":1}\n'],
      ['the line after empty lines', '\n\n{"a":1}\n', '{"a":1}', '\n\n'],
      ['Windows line breaks', 'log\r\n{"a":1}\r\n', '{"a":1}', 'log\r\n'],
      ['several carriage returns', '{"a":1}\r\r\r\n', '{"a":1}', ''],
      ['vertical tabs and form feeds around it', '\v\f {"a":1} \f\v\n', '{"a":1}', ''],
      ['a line separator inside (U+2028)', '{"a":"\u2028\u2029\u0085"}\n', '{"a":"\u2028\u2029\u0085"}', ''],
      ['a vertical tab that ends no line', 'x\v{}\n{"a":1}\n', '{"a":1}', 'x\v{}\n'],
      ['a NUL byte in the log', '\0\n{"a":1}\n', '{"a":1}', '\0\n'],
    ])('C-RUN-16, C-RUN-21: %s', async (_what, output, result, log) => {
      await expectResult(output, result, log);
    });

    it.each([
      ['log and object parted by \\r alone', 'log\r{"a":1}\n', 'log\r{"a":1}\n'],
      ['log and object parted by \\v alone', 'log\v{"a":1}\n', 'log\v{"a":1}\n'],
      ['log and object parted by U+2028 alone', 'log\u2028{"a":1}\n', 'log\u2028{"a":1}\n'],
      ['log before the object on its line', 'log {"a":1}\n', 'log {"a":1}\n'],
      ['text after the object on its line', '{"a":1} log\n', '{"a":1} log\n'],
    ])('C-RUN-16: only \\n ends a line: %s', async (_what, output, log) => {
      await expectNone(output, log);
    });

    it.each([
      ['an empty line', '{"a":1}\n\n', '{"a":1}\n\n'],
      ['two empty lines', '{"a":1}\n\n\n', '{"a":1}\n\n\n'],
      ['a line of blanks', '{"a":1}\n \t\n', '{"a":1}\n \t\n'],
      ['a blank without a line break', '{"a":1}\n ', '{"a":1}\n \n'],
      ['a carriage return', '{"a":1}\n\r\n', '{"a":1}\n\r\n'],
    ])('C-RUN-17: output that ends in %s has no result', async (_what, output, log) => {
      await expectNone(output, log);
    });

    it('C-RUN-18: a line break alone is one empty line', async () => {
      await expectNone('\n', '\n');
    });

    it('C-RUN-16: an object on stderr is no result', async () => {
      await server.install('#!/bin/sh\necho \'{"a":1}\' >&2\n');
      expect((await server.run()).status).toBe(502);
      expect(server.takeRunLogs()).toEqual({ stdout: '\n', stderr: '{"a":1}\n' });
    });

    it('C-RUN-16: a result that comes byte by byte', async () => {
      await server.install(
        '#!/bin/sh\nfor c in l o g "\\n" "{" "\\"" a "\\"" : "[" "]" "}"; do printf "$c"; sleep 0.01; done\n',
      );
      expect((await server.run()).body.toString()).toBe('{"a":[]}');
      expect(server.takeRunLogs().stdout).toBe('log\n');
    });
  });

  describe('its own bytes', () => {
    it.each([
      '{"a":9007199254740993,"b":123456789012345678901234567890}',
      '{"a":1.50,"b":1.0,"c":-0,"d":1e400,"e":1E-7,"f":0.1234567890123456789012}',
      '{"b":1,"a":2,"10":3,"9":4,"__proto__":5}',
      '{"a":1,"a":2}',
      '{ "a" :\t[ 1 , 2 ],\r"b": {} }',
      '{"a":"\\u00e9\\/\\n\\u0000\\ud800\\udc00\\ud800"}',
      '{"é":"ß€😀\u007f"}',
      '[[],{},"",0,-1,true,false,null]',
    ])('C-RUN-22: %s', async (text) => {
      await expectResult(`${text}\n`, text);
    });

    it('C-RUN-22: an integer of 5,000 digits', async () => {
      const text = `{"a":${'7'.repeat(5000)}}`;
      await expectResult(`${text}\n`, text);
    });

    it('C-SRV-07: Content-Length counts bytes, not characters', async () => {
      await server.write('output', '{"a":"é😀"}');
      const answer = await server.run();
      expect(answer.headers['content-length']).toBe('14');
    });
  });

  describe('what is no JSON', () => {
    it.each([
      '{"a":NaN}',
      '{"a":Infinity}',
      '{"a":-Infinity}',
      '[1,]',
      '{"a":1,}',
      '[,1]',
      "{'a':1}",
      '{a:1}',
      '{"a" 1}',
      '{"a":}',
      '{"a":1',
      '["a"',
      '[1}',
      '{"a":1]',
      '{}}',
      '[][]',
      '{"a":01}',
      '{"a":+1}',
      '{"a":.5}',
      '{"a":1.}',
      '{"a":1e}',
      '{"a":-}',
      '{"a":0x10}',
      '{"a":"\\x41"}',
      '{"a":"\\u12g4"}',
      '{"a":"\t"}',
      '{"a":"\u001f"}',
      '{"a":"unterminated}',
      '{"a":tru}',
      '{"a":truex}',
      '{"a":1}//',
      '\u00a0{"a":1}',
      '{"a":1}\0',
    ])('C-RUN-22: %j: 502, and the line is in the log', async (text) => {
      await expectNone(`log\n${text}\n`, `log\n${text}\n`);
    });

    it('C-RUN-22: a byte order mark: 502, the line is in the log, and why', async () => {
      const { status, log } = await outcomeOf('\ufeff{"a":1}\n');
      expect(status).toBe(502);
      expect(log.toString()).toMatch(
        /^\ufeff\{"a":1\}\nerror: the result begins with a byte order mark.*\n$/,
      );
    });

    it.each([
      ['a stray byte', [0xff]],
      ['a cut character', [0xe2, 0x82]],
      ['an overlong form', [0xc0, 0xaf]],
      ['a surrogate', [0xed, 0xa0, 0x80]],
      ['a code point beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
    ])('C-RUN-23: invalid UTF-8 (%s): 502, and its bytes are in the log', async (_what, bytes) => {
      const line = Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}\n')]);
      await expectNone(line, line);
    });

    it('C-RUN-23: any bytes pass to the logs unchanged, on both streams', async () => {
      const every = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await server.install('#!/bin/sh\ncat bytes\ncat bytes >&2\nprintf \'\\n{"a":1}\'\n');
      await server.write('bytes', every);
      expect((await server.run()).body.toString()).toBe('{"a":1}');
      const { stdout, stderr } = server.takeLogs();
      const expected = Buffer.concat([every, Buffer.from(`\n${SENTINEL}\n`)]);
      expect([stdout.equals(expected), stderr.equals(expected)]).toEqual([true, true]);
    });
  });

  describe('how the process ended', () => {
    it.each([
      ['status 1', 'exit 1'],
      ['status 255', 'exit 255'],
      ['SIGKILL', 'kill -KILL $$'],
      ['SIGTERM', 'kill -TERM $$'],
      ['SIGPIPE', 'kill -PIPE $$'],
    ])('C-RUN-19: %s after a result: 200; without one: 502', async (_what, ending) => {
      await server.install(`#!/bin/sh\necho '{"a":1}'\n${ending}\n`);
      expect((await server.run()).body.toString()).toBe('{"a":1}');
      await server.install(`#!/bin/sh\n${ending}\n`);
      expect((await server.run()).status).toBe(502);
    });

    it('C-RUN-20: an error field is a 200, whatever the exit status', async () => {
      await server.install('#!/bin/sh\necho \'{"error":{"code":7}}\'\nexit 7\n');
      const answer = await server.run();
      expect([answer.status, answer.body.toString()]).toEqual([200, '{"error":{"code":7}}']);
      expect(answer.headers['x-hyperskeleton-error']).toBeUndefined();
    });
  });
});

describe.each(ENGINES)('the longest result (%s)', (engine) => {
  const LIMIT_BYTES = 70_000;
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine, env: { HYPERSKELETON_MAX_RESULT_BYTES: String(LIMIT_BYTES) } });
    await server.install('#!/bin/sh\nexec cat output\n');
  });
  afterAll(() => server.stop());

  const ofBytes = (bytes: number): string => `{"a":"${'x'.repeat(bytes - '{"a":""}'.length)}"}`;

  it.each([
    ['without a line break', ''],
    ['with one', '\n'],
  ])('C-LOG-04: a line of exactly the limit, %s, is a result', async (_what, ending) => {
    await server.write('output', ofBytes(LIMIT_BYTES) + ending);
    server.takeLogs();
    const answer = await server.run();
    expect(answer.status).toBe(200);
    expect(answer.body.equals(Buffer.from(ofBytes(LIMIT_BYTES)))).toBe(true);
    expect(server.takeRunLogs().stdout).toBe('');
  });

  it.each([
    ['without a line break', ''],
    ['with one', '\n'],
  ])(
    'C-LOG-04: one byte more, %s, is none (run_result_too_large), and the whole line is in the log',
    async (_what, ending) => {
      await server.write('output', ofBytes(LIMIT_BYTES + 1) + ending);
      server.takeLogs();
      const answer = await server.run();
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([502, { error: M_RESULT }]);
      expect(server.takeRunLogs().stdout).toBe(`${ofBytes(LIMIT_BYTES + 1)}\n`);
    },
  );
});
