import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-http.js';
import { type Answer, FRONT_ENDS, RunServer } from '../support/run-server.js';
import { silence } from '../support/silence.js';
import { Gate } from '../support/waiting.js';

const ECHO = '#!/bin/sh\ncat\n';
const NO_LOGS = { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) };

function post(path: string, body: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
}

/** An answer that any JSON client can read, and that a kept connection can go on after. */
function expectJsonError(answer: Answer, status: number, code: string): void {
  expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([status, code]);
  expect(answer.headers['content-type']).toBe('application/json');
  expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
  expect(answer.headers['transfer-encoding']).toBeUndefined();
  const { error, ...rest } = JSON.parse(answer.body.toString()) as { error: string };
  expect([typeof error, rest]).toEqual(['string', {}]);
}

describe.each(FRONT_ENDS)('bytes on the wire (%s)', (http) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({
      engine: 'posix_spawn',
      http,
      env: { HYPERSKELETON_MAX_BODY_BYTES: '300000' },
    });
    await server.install(ECHO);
  });
  afterEach(() => {
    server.takeLogs();
  });
  afterAll(() => server.stop());

  async function connected<T>(work: (connection: RawConnection) => Promise<T>): Promise<T> {
    const connection = await RawConnection.open(server.port);
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  it('C-SRV-06: headers and body that come byte by byte are the same request', () =>
    connected(async (connection) => {
      const request = post('/run', '{"value":{"slow":"é"}}');
      const firstLine = request.indexOf('\r\n') + 2;
      connection.socket.setNoDelay(true);
      connection.send(request.slice(0, firstLine));
      for (const byte of Buffer.from(request.slice(firstLine))) {
        await new Promise((resolve) => connection.socket.write(Buffer.of(byte), resolve));
      }
      expect((await connection.answer())?.body.toString()).toBe('{"slow":"é"}');
    }));

  it('C-SRV-06: a first line that comes in pieces is served or refused, never served by half', () =>
    connected(async (connection) => {
      connection.socket.setNoDelay(true);
      for (const byte of Buffer.from(post('/run', '{"value":{"slow":1}}'))) {
        await new Promise((resolve) => connection.socket.write(Buffer.of(byte), resolve));
      }
      const answer = await connection.answer();
      if (answer?.status === 200) expect(answer.body.toString()).toBe('{"slow":1}');
      else {
        expect([400, 505, undefined]).toContain(answer?.status);
        expect(server.takeLogs()).toEqual(NO_LOGS);
      }
      expect((await server.run({ after: 1 })).body.toString()).toBe('{"after":1}');
    }));

  it('C-SRV-06: chunks of one byte, sizes in any case and with leading zeros', () =>
    connected(async (connection) => {
      const body = '{"value":{"x":"0123456789"}}';
      const single = [...body].map((letter) => `1\r\n${letter}\r\n`).join('');
      connection.send(
        `POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${single}0\r\n\r\n`,
      );
      expect((await connection.answer())?.body.toString()).toBe('{"x":"0123456789"}');
      const sizes = `0a\r\n${body.slice(0, 10)}\r\nA\r\n${body.slice(10, 20)}\r\n008\r\n${body.slice(20)}\r\n`;
      connection.send(`POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${sizes}0\r\n\r\n`);
      expect((await connection.answer())?.body.toString()).toBe('{"x":"0123456789"}');
    }));

  it('C-SRV-06: a kept connection goes on after every refusal', () =>
    connected(async (connection) => {
      const statuses: (number | undefined)[] = [];
      for (const request of [
        post('/nowhere', 'a body that nobody wants'),
        `PUT /run HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello`,
        'GET /init HTTP/1.1\r\nHost: x\r\n\r\n',
        post('/run', 'no JSON'),
        post('/run', '{"value":1}'),
        post('/init', 'no JSON'),
        post('/run', 'y'.repeat(300_001)),
        post('/run', '{"value":{"after":1}}'),
      ]) {
        connection.send(request);
        statuses.push((await connection.answer())?.status);
      }
      expect(statuses).toEqual([404, 405, 405, 400, 404, 400, 413, 200]);
    }));

  it('C-SRV-06: HTTP/1.0 is served by node:http, answered 505 by uWebSockets, and closed; the server goes on', () =>
    connected(async (connection) => {
      connection.send('POST /run HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}');
      expect((await connection.answer())?.status).toBe(http === 'node' ? 200 : 505);
      await connection.ended();
      expect((await server.run({ after: 1 })).body.toString()).toBe('{"after":1}');
    }));

  it.each([
    ['a length with a sign', 'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}'],
    ['a negative length', 'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: -2\r\n\r\n{}'],
    [
      'a length of 20 digits',
      'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n{}',
    ],
    [
      'both kinds of length',
      'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n',
    ],
    ['no Host', 'POST /run HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}'],
    [
      'a chunk without a size',
      'POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
    ],
  ])('C-SRV-06: %s is a 400 that closes the connection, and nothing is logged', (_what, bytes) =>
    connected(async (connection) => {
      connection.send(bytes);
      expect((await connection.answer())?.status).toBe(400);
      await connection.ended();
      expect(server.takeLogs()).toEqual(NO_LOGS);
      expect((await server.run({ after: 1 })).body.toString()).toBe('{"after":1}');
    }),
  );

  it.each([
    ['2', '30'],
    ['17', '2'],
    ['17', '290000'],
    ['17', '0'],
  ])(
    'C-SRV-06: two lengths, %s and %s, are malformed (malformed_request): 400, and nothing is run',
    (first, second) =>
      connected(async (connection) => {
        const body = '{"value":{"a":1}}'.slice(0, Number(first));
        connection.send(
          `POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${first}\r\nContent-Length: ${second}\r\n\r\n${body}`,
        );
        const answer = await Promise.race([connection.answer(), silence(server.port)]);
        expect(answer?.status).toBe(400);
      }),
  );

  it('C-SRV-04: the answer to HEAD has no body that could be taken for the next answer', () =>
    connected(async (connection) => {
      connection.send('HEAD /run HTTP/1.1\r\nHost: x\r\n\r\n');
      expect(await connection.head()).toMatch(/^HTTP\/1\.1 405 /);
      connection.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      expect(await connection.head()).toMatch(/^HTTP\/1\.1 200 /);
    }));

  it('C-SRV-07: every refusal has Content-Length, is JSON, and says whose fault it is', async () => {
    expectJsonError(await server.post('/nowhere', '{}'), 404, 'not_found');
    expectJsonError(await server.post('/healthz', '{}'), 405, 'method_not_allowed');
    expectJsonError(await server.post('/run', 'x'.repeat(300_001)), 413, 'body_too_large');
    expectJsonError(await server.post('/run', 'no JSON'), 400, 'run_bad_json');
    expectJsonError(await server.post('/run', '{"value":1}'), 404, 'run_bad_arguments');
    expectJsonError(await server.post('/run', '{"activation":1}'), 400, 'run_bad_context');
    expectJsonError(await server.post('/init', 'no JSON'), 400, 'init_bad_json');
    expectJsonError(await server.post('/init', '[]'), 404, 'init_not_object');
  });

  it('C-SRV-09: a body of exactly the limit is taken, one byte more is not', async () => {
    const bodyOf = (bytes: number): string => {
      const frame = '{"value":{"x":""}}'.length;
      return `{"value":{"x":"${'y'.repeat(bytes - frame)}"}}`;
    };
    expect((await server.post('/run', bodyOf(300_000))).status).toBe(200);
    expect((await server.post('/run', bodyOf(300_001))).status).toBe(413);
  });

  it('C-SRV-09: a length over the limit is answered whole before the body is there', () =>
    connected(async (connection) => {
      connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n');
      const answer = await Promise.race([connection.answer(), silence(server.port)]);
      expect([answer?.status, answer?.body.toString()]).toEqual([
        413,
        '{"error":"The request body is larger than 300000 bytes."}',
      ]);
    }));

  it('C-SRV-10: anything else is answered while an action runs', async () => {
    const gate = new Gate(server.folder);
    await server.install(`#!/bin/sh\n${gate.wait}\necho '{"held":1}'\n`);
    const held = server.run();
    await gate.arrivals(1);
    expect(await server.get('/nowhere')).toBe(404);
    expect(await server.get('/healthz')).toBe(200);
    expect((await server.post('/run', '{"value":1}')).status).toBe(404);
    await server.install(ECHO);
    expect((await server.run({ other: 1 })).body.toString()).toBe('{"other":1}');
    gate.open();
    expect((await held).body.toString()).toBe('{"held":1}');
  });
});
