import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logFile } from '../support/log-file.js';
import { RawConnection } from '../support/raw-http.js';
import { RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { silence } from '../support/silence.js';

const LENGTH = 'Content-Length: 2';
const CHUNKED = 'Transfer-Encoding: chunked';

function post(...headers: readonly string[]): string {
  return `POST /run HTTP/1.1\r\n${['Host: x', ...headers].join('\r\n')}\r\n\r\n{}`;
}

/** What is sent, and the status and code that it is answered with. */
const MALFORMED: readonly (readonly [what: string, bytes: string, status: number, code: string])[] = [
  ['a NUL in a header', post('X: a\0b', LENGTH), 400, 'malformed_request'],
  ['a CR in a header', post('X: a\rb', LENGTH), 400, 'malformed_request'],
  ['no colon', post('Xyz', LENGTH), 400, 'malformed_request'],
  ['a blank before the colon', post('X : y', LENGTH), 400, 'malformed_request'],
  ['a name of 8 bits', post('\xffX: y', LENGTH), 400, 'malformed_request'],
  ['no name', post(': y', LENGTH), 400, 'malformed_request'],
  ['a head of 70,000 bytes', post(`X: ${'a'.repeat(70_000)}`, LENGTH), 431, 'head_too_large'],
  [
    'a target of 70,000 bytes',
    `GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
    431,
    'head_too_large',
  ],
  ['two Hosts', post('Host: y', LENGTH), 400, 'malformed_request'],
  ['no Host', `POST /run HTTP/1.1\r\n${LENGTH}\r\n\r\n{}`, 400, 'malformed_request'],
  ['two equal lengths', post(LENGTH, LENGTH), 400, 'malformed_request'],
  ['two lengths', post(LENGTH, 'Content-Length: 3'), 400, 'malformed_request'],
  ['a length and chunks', post(LENGTH, CHUNKED), 400, 'malformed_request'],
  ['chunks and a length', post(CHUNKED, LENGTH), 400, 'malformed_request'],
  ['a list of lengths', post('Content-Length: 2, 2'), 400, 'malformed_request'],
  ['a length with a sign', post('Content-Length: +2'), 400, 'malformed_request'],
  ['a length in hex', post('Content-Length: 0x2'), 400, 'malformed_request'],
  ['a coding behind chunked', post('Transfer-Encoding: chunked, gzip'), 400, 'malformed_request'],
  ['an unknown coding', post('Transfer-Encoding: xchunked'), 400, 'malformed_request'],
  ['an empty coding', post('Transfer-Encoding: '), 400, 'malformed_request'],
  ['another coding too', post('Transfer-Encoding: gzip, chunked'), 400, 'malformed_request'],
  ['two codings', post(CHUNKED, 'Transfer-Encoding: gzip'), 400, 'malformed_request'],
  ['a chunk without a size', post(CHUNKED).replace('{}', 'zz\r\n{}\r\n0\r\n\r\n'), 400, 'malformed_request'],
  ['a chunk with too much', post(CHUNKED).replace('{}', '1\r\n{}\r\n0\r\n\r\n'), 400, 'malformed_request'],
  ['HTTP/2.0', post(LENGTH).replace('1.1', '2.0'), 505, 'http_version'],
  ['HTTP/3.7', post(LENGTH).replace('1.1', '3.7'), 505, 'http_version'],
  ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'malformed_request'],
  ['no version', 'POST /run\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  ['no method', '/run HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  ['an unknown method', post(LENGTH).replace('POST', 'BREW'), 400, 'malformed_request'],
  ['TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'malformed_request'],
  ['a target without a path', 'GET x HTTP/1.1\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  ['CONNECT', 'CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n', 405, 'method_not_allowed'],
];

describe('C-SRV-06, C-SRV-07: what is not HTTP (node)', () => {
  const log = logFile();
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({
      engine: 'posix_spawn',
      http: 'node',
      env: { HYPERSKELETON_LOG_FILE: log },
    });
    await server.install('#!/bin/sh\necho ran >&2\ncat\n');
  });
  afterAll(() => server.stop());

  it.each(MALFORMED)('%s: is answered at once, logged, and never run', async (_what, bytes, status, code) => {
    server.takeLogs();
    const connection = await RawConnection.open(server.port);
    connection.send(Buffer.from(bytes, 'latin1'));
    const answer = await Promise.race([connection.answer(), silence(server.port)]);
    expect([answer?.status, answer?.headers.get('x-hyperskeleton-error')]).toEqual([status, code]);
    expect(answer?.headers.get('content-type')).toBe('application/json');
    expect(Number(answer?.headers.get('content-length'))).toBe(answer?.body.length);
    expect(answer?.headers.get('connection')).toBe('close');
    expect(JSON.parse(answer?.body.toString() ?? '')).toEqual({ error: expect.any(String) });
    await connection.ended();
    expect(readFileSync(log, 'utf8').split('\n').at(-2)).toContain(`"code":"${code}"`);
    const { stdout, stderr } = server.takeLogs();
    expect([stdout.length, stderr.length]).toEqual([0, 0]);
    expect((await server.run({ after: 1 })).body.toString()).toBe('{"after":1}');
  });

  it('each is counted', async () => {
    const page = await scrape(server.port);
    const expected = new Map<string, number>();
    for (const [, , , code] of MALFORMED) expected.set(code, (expected.get(code) ?? 0) + 1);
    for (const [code, count] of expected) {
      const series = `hyperskeleton_failures_total{code="${code}",fault="caller"}`;
      expect([code, page.value(series)]).toEqual([code, count]);
    }
    expect(page.value('hyperskeleton_refusals_total{code="head_too_large"}')).toBe(2);
  });

  it('a head that does not come whole is a 408 after 20 s', { timeout: 60_000 }, async () => {
    const connection = await RawConnection.open(server.port);
    connection.send('POST /run HTTP/1.1\r\nHost: x\r\n');
    const trickle = setInterval(() => connection.send('X: y\r\n'), 500);
    const answer = await connection.answer();
    clearInterval(trickle);
    expect([answer?.status, answer?.headers.get('x-hyperskeleton-error')]).toEqual([408, 'request_timeout']);
    await connection.ended();
  });

  it('C-SRV-12: a connection without a byte is closed without a word', { timeout: 60_000 }, async () => {
    const before = readFileSync(log, 'utf8');
    const connection = await RawConnection.open(server.port);
    expect(await connection.answer()).toBeUndefined();
    expect(readFileSync(log, 'utf8')).toBe(before);
  });
});
