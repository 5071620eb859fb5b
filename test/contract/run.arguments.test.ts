import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { compileAction, type Probe, readProbe } from '../support/run-programs.js';
import { ENGINES, RunServer } from '../support/run-server.js';

const M_ARGS = 'The action did not receive a dictionary or array as an argument.';
const MARKER_ACTION = '#!/bin/sh\n: > started\necho "{}"\n';
const MAX_ARGUMENT_BYTES = 131_071;
const DEEPEST = 10_000;

describe.each(ENGINES)('arguments (%s)', (engine) => {
  let server: RunServer;
  let probe: string;

  beforeAll(async () => {
    probe = await compileAction('probe');
    server = await RunServer.start({ engine });
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await server.installProgram(probe);
    server.takeLogs();
  });

  async function probed(body: string | Uint8Array): Promise<Probe> {
    const answer = await server.runBody(body);
    expect(answer.status, answer.body.toString()).toBe(200);
    return readProbe(answer.body);
  }

  async function expectArgument(body: string | Uint8Array, argument: string): Promise<void> {
    const seen = await probed(body);
    expect(seen.stdin.toString()).toBe(argument);
    expect(seen.argv.slice(1).map(String)).toEqual([argument]);
    expect(seen.stdinEnded).toBe(true);
  }

  /** Nothing was started, the answer is a JSON error, and the logs are the sentinels alone. */
  async function expectRefused(body: string | Uint8Array, status: number): Promise<string> {
    await server.install(MARKER_ACTION);
    const answer = await server.runBody(body);
    expect(answer.status).toBe(status);
    expect(answer.headers['content-type']).toBe('application/json');
    const { error } = JSON.parse(answer.body.toString()) as { error: unknown };
    expect(error).toBeTypeOf('string');
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
    expect(existsSync(join(server.actionRoot, 'started'))).toBe(false);
    return error as string;
  }

  describe('what is accepted', () => {
    it.each([
      ['no value', '{"namespace":"n"}'],
      ['an empty object', '{}'],
      ['an empty body', ''],
      ['null', 'null'],
      ['an empty value', '{"value":{}}'],
    ])('C-RUN-01: %s runs with {}', async (_what, body) => {
      await expectArgument(body, '{}');
    });

    it('C-RUN-01: an array as value is passed', async () => {
      await expectArgument('{"value":[1,{"a":[]},"x"]}', '[1,{"a":[]},"x"]');
    });

    it('C-RUN-03: a UTF-8 byte order mark before the body is no part of it', async () => {
      await expectArgument('\ufeff{"value":{"a":1}}', '{"a":1}');
    });

    it('C-RUN-03: blanks around the body are no part of it', async () => {
      await expectArgument(' \r\n\t{"value":{"a":1}}\n\n', '{"a":1}');
    });

    it('C-RUN-03: a body of 10,000 levels is taken', async () => {
      const value = '['.repeat(DEEPEST - 1) + ']'.repeat(DEEPEST - 1);
      await expectArgument(`{"value":${value}}`, value);
    });
  });

  describe('what is refused', () => {
    it.each([
      '{"value":null}',
      '{"value":"text"}',
      '{"value":5}',
      '{"value":true}',
      '{"value":false}',
      '[1]',
      '[{}]',
      '"text"',
      '5',
      'true',
    ])('C-RUN-02: %s is no dictionary or array: 404 M-ARGS', async (body) => {
      expect(await expectRefused(body, 404)).toBe(M_ARGS);
    });

    it.each([
      ['text', 'no JSON at all'],
      ['a truncated object', '{"value":{"a":1}'],
      ['text after the value', '{"value":{}} x'],
      ['a second value', '{}{}'],
      ['NaN', '{"value":{"a":NaN}}'],
      ['Infinity', '{"value":{"a":Infinity}}'],
      ['-Infinity', '{"value":{"a":-Infinity}}'],
      ['a trailing comma', '{"value":{"a":1,}}'],
      ['single quotes', "{'value':{}}"],
      ['a leading zero', '{"value":{"a":01}}'],
      ['a comment', '{"value":{}/**/}'],
      ['a raw line break in a string', '{"value":{"a":"x\ny"}}'],
      ['a raw tab in a string', '{"value":{"a":"x\ty"}}'],
      ['an unknown escape', '{"value":{"a":"\\x41"}}'],
      ['a cut \\u escape', '{"value":{"a":"\\u12"}}'],
    ])('C-RUN-03: %s is not JSON: 400', async (_what, body) => {
      await expectRefused(body, 400);
    });

    it.each([
      ['a stray byte', [0xff]],
      ['a cut character', [0xc3]],
      ['an overlong form', [0xc0, 0xaf]],
      ['a surrogate', [0xed, 0xa0, 0x80]],
    ])('C-RUN-03: invalid UTF-8 (%s): 400', async (_what, bytes) => {
      const body = Buffer.concat([Buffer.from('{"value":{"a":"'), Buffer.from(bytes), Buffer.from('"}}')]);
      await expectRefused(body, 400);
    });

    it.each(['utf16le', 'utf16be'])('C-RUN-03: %s is not taken: 400', async (encoding) => {
      const little = Buffer.from('\ufeff{"value":{}}', 'utf16le');
      await expectRefused(encoding === 'utf16le' ? little : Buffer.from(little).swap16(), 400);
    });

    it('C-RUN-03: a body deeper than 10,000 levels: 400', async () => {
      await expectRefused(`{"value":${'['.repeat(DEEPEST)}${']'.repeat(DEEPEST)}}`, 400);
    });

    it('C-RUN-03: a body of 100,000 levels: 400, and the server goes on', async () => {
      await expectRefused(`{"value":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}}`, 400);
      expect((await server.run()).status).toBe(200);
    });

    it('C-LOG-01: a refused body carries our error code, so that it is told apart from the action', async () => {
      const answer = await server.runBody('{');
      expect(answer.headers['x-hyperskeleton-error']).toBe('run_bad_json');
    });
  });

  describe('one line, lossless', () => {
    it('C-RUN-04: argv[0] is the absolute path of exec', async () => {
      const { argv } = await probed('{"value":{}}');
      expect(argv.map(String)).toEqual([server.exec, '{}']);
    });

    it('C-RUN-04: a shell reads the arguments of a pretty-printed body with one `read`', async () => {
      await server.install('#!/bin/sh\nread -r line\necho "$line"\n');
      const body = JSON.stringify({ value: { name: 'Ada', list: [1, 2, { deep: true }] } }, null, 2);
      const answer = await server.runBody(body);
      expect(JSON.parse(answer.body.toString())).toEqual({ name: 'Ada', list: [1, 2, { deep: true }] });
    });

    it.each([
      ['line feeds', '{"value":\n{\n "a" :\n1\n}\n}', '{ "a" :1}'],
      ['carriage returns', '{"value":{\r\n"a":1,\r\n"b":[\r\n]}}', '{"a":1,"b":[]}'],
      ['carriage returns alone', '{"value":{"a":\r1,\r"b":[]}}', '{"a":1,"b":[]}'],
    ])('C-RUN-06: %s between tokens are removed, and nothing else', async (_what, body, argument) => {
      await expectArgument(body, argument);
    });

    it.each([
      ['integers beyond 2^53', '{"a":9007199254740993,"b":123456789012345678901234567890}'],
      ['decimals as written', '{"a":1.50,"b":1.0,"c":-0,"d":-0.0,"e":0.1234567890123456789012}'],
      ['exponents as written', '{"a":1e400,"b":1E+2,"c":1e-400,"d":5e-1}'],
      ['key order', '{"b":1,"a":2,"10":3,"9":4,"__proto__":5}'],
      ['duplicate keys', '{"a":1,"a":2,"a":{"a":3,"a":4}}'],
      ['escapes', '{"a":"\\u00e9\\/\\n\\u0000\\"\\\\\\b\\f\\r\\t","\\u0061":1}'],
      ['lone surrogates', '{"a":"\\ud800","b":"\\udc00\\ud800"}'],
      ['raw characters of every width', '{"é":"ß€😀\u2028\u2029\u007f"}'],
      ['spaces and tabs between tokens', '{ "a" :\t[ 1 , 2 ] }'],
      ['brackets and quotes inside strings', '{"a":"}]\\"{[","b\\"}":1}'],
      ['a member named value inside', '{"value":{"value":1}}'],
      ['an empty key', '{"":{"":[]}}'],
    ])('C-RUN-06: %s arrive unchanged', async (_what, text) => {
      await expectArgument(`{"namespace":"n","value":${text},"deadline":"1"}`, text);
    });

    it('C-RUN-06: the last of duplicate members named value counts', async () => {
      await expectArgument('{"value":{"a":1},"value":{"b":2}}', '{"b":2}');
    });

    it('C-RUN-06: a name written with escapes is the same name', async () => {
      await expectArgument('{"\\u0076alue":{"a":1}}', '{"a":1}');
    });
  });

  describe('argv[1]', () => {
    const ofBytes = (bytes: number, filling = 'x'): string => {
      const room = bytes - '{"a":""}'.length;
      const width = Buffer.byteLength(filling);
      return `{"a":"${filling.repeat(Math.floor(room / width))}${'.'.repeat(room % width)}"}`;
    };

    it.each([
      ['ASCII', 'x'],
      ['characters of two bytes', 'é'],
      ['characters of four bytes', '😀'],
    ])('C-RUN-04: 131,071 bytes of %s are argv[1]', async (_what, filling) => {
      await expectArgument(
        `{"value":${ofBytes(MAX_ARGUMENT_BYTES, filling)}}`,
        ofBytes(MAX_ARGUMENT_BYTES, filling),
      );
    });

    it.each([
      ['ASCII', 'x'],
      ['characters of two bytes', 'é'],
      ['characters of four bytes', '😀'],
    ])('C-RUN-06: 131,072 bytes of %s come on stdin alone, argc is 1', async (_what, filling) => {
      const text = ofBytes(MAX_ARGUMENT_BYTES + 1, filling);
      expect(Buffer.byteLength(text)).toBe(MAX_ARGUMENT_BYTES + 1);
      const { argv, stdin, stdinEnded } = await probed(`{"value":${text}}`);
      expect(argv.map(String)).toEqual([server.exec]);
      expect(stdin.toString()).toBe(text);
      expect(stdinEnded).toBe(true);
    });

    it('C-RUN-06: the limit counts the text without its line breaks', async () => {
      const text = ofBytes(MAX_ARGUMENT_BYTES);
      await expectArgument(`{"value":\n{\n${text.slice(1, -1)}\n}\n}`, text);
    });
  });

  describe('standard input', () => {
    it.each([1, 5])('C-SRV-09: %d MB of arguments arrive byte for byte', async (megabytes) => {
      const filling = Array.from({ length: (megabytes << 20) / 16 }, (_, at) =>
        at.toString(36).padStart(16, 'é'),
      );
      const text = `{"a":"${filling.join('').slice(0, megabytes << 20)}"}`;
      await server.install('#!/bin/sh\nexec cat\n');
      const answer = await server.runText(text);
      expect(answer.status).toBe(200);
      expect(answer.body.equals(Buffer.from(text))).toBe(true);
    });

    it.each([
      ['2 bytes', 2],
      ['100 kB', 100_000],
      ['5 MB', 5 << 20],
    ])('C-RUN-07: an action that never reads its stdin, %s of it', async (_size, bytes) => {
      await server.install('#!/bin/sh\necho \'{"read":false}\'\n');
      const answer = await server.runText(`{"a":"${'x'.repeat(bytes)}"}`);
      expect([answer.status, answer.body.toString()]).toEqual([200, '{"read":false}']);
    });

    it.each([
      ['2 bytes', 2],
      ['5 MB', 5 << 20],
    ])('C-RUN-07: an action that closes its stdin, %s of it', async (_size, bytes) => {
      await server.install('#!/bin/sh\nexec <&-\nls / >/dev/null\necho \'{"closed":true}\'\n');
      const answer = await server.runText(`{"a":"${'x'.repeat(bytes)}"}`);
      expect([answer.status, answer.body.toString()]).toEqual([200, '{"closed":true}']);
    });

    it('C-RUN-07: an action that reads a part of 5 MB and leaves', async () => {
      await server.install('#!/bin/sh\nhead -c 100000 | wc -c | sed \'s/.*/{"bytes":&}/\'\n');
      const answer = await server.runText(`{"a":"${'x'.repeat(5 << 20)}"}`);
      expect(answer.body.toString()).toBe('{"bytes":100000}');
    });

    it('C-RUN-24: 5 MB of arguments are fed while the action writes 5 MB before it reads', async () => {
      await server.install(
        '#!/bin/sh\nhead -c 5000000 /dev/zero | tr "\\\\0" "l"\necho\nwc -c | sed \'s/.*/{"bytes":&}/\'\n',
      );
      const text = `{"a":"${'x'.repeat(5 << 20)}"}`;
      const answer = await server.runText(text);
      expect(answer.body.toString()).toBe(`{"bytes":${text.length}}`);
      expect(server.takeRunLogs().stdout).toBe(`${'l'.repeat(5_000_000)}\n`);
    });
  });
});
