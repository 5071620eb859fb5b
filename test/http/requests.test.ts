import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-http.js';
import { FRONT_ENDS, RunServer } from '../support/run-server.js';
import { silence } from '../support/silence.js';

const ECHO = '#!/bin/sh\ncat\n';
const PACKET_BYTES = 1448;

describe.each(FRONT_ENDS)('C-SRV-06: requests of real clients and proxies (%s)', (http) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn', http });
    await server.install(ECHO);
  });
  afterAll(() => server.stop());

  async function connected<T>(work: (connection: RawConnection) => Promise<T>): Promise<T> {
    const connection = await RawConnection.open(server.port);
    connection.socket.setNoDelay(true);
    try {
      return await work(connection);
    } finally {
      connection.close();
    }
  }

  /** Sends bytes in packets of a size, each on its way before the next. */
  async function sendInPackets(connection: RawConnection, bytes: string, size = PACKET_BYTES): Promise<void> {
    for (let at = 0; at < bytes.length; at += size) {
      await new Promise((resolve) => connection.socket.write(bytes.slice(at, at + size), resolve));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  function post(value: string, headers = '', version = '1.1'): string {
    const body = `{"value":${value}}`;
    return `POST /run HTTP/${version}\r\nHost: x\r\n${headers}Content-Length: ${body.length}\r\n\r\n${body}`;
  }

  it.each([8000, 30_000, 60_000])('a header of %i bytes, in one packet and in many', (bytes) =>
    connected(async (connection) => {
      const request = post('{"a":1}', `Authorization: Bearer ${'a'.repeat(bytes)}\r\n`);
      connection.send(request);
      expect((await connection.answer())?.body.toString()).toBe('{"a":1}');
      await sendInPackets(connection, request);
      expect((await connection.answer())?.body.toString()).toBe('{"a":1}');
    }),
  );

  it('a head beyond 64 KiB is a 431, and ends the connection', () =>
    connected(async (connection) => {
      await sendInPackets(connection, post('{}', `X: ${'a'.repeat(70_000)}\r\n`));
      expect((await connection.answer())?.status).toBe(431);
      await connection.ended();
    }));

  it('many headers: uWebSockets takes 98, node:http all', () =>
    connected(async (connection) => {
      const count = http === 'uws' ? 90 : 1000;
      const headers = Array.from({ length: count }, (_, at) => `X-${at}: y\r\n`).join('');
      connection.send(post('{"many":1}', headers));
      expect((await connection.answer())?.body.toString()).toBe('{"many":1}');
    }));

  it('Expect: 100-continue is answered 100 before the body comes', () =>
    connected(async (connection) => {
      const body = '{"value":{"expected":1}}';
      connection.send(
        `POST /run HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: ${body.length}\r\n\r\n`,
      );
      expect(await connection.head()).toMatch(/^HTTP\/1\.1 100 /);
      connection.send(body);
      expect((await connection.answer())?.body.toString()).toBe('{"expected":1}');
    }));

  it.each(['GET', 'POST'])(
    'Upgrade: h2c with %s is an ordinary request, and the connection goes on',
    (method) =>
      connected(async (connection) => {
        const upgrade = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n';
        if (method === 'GET') connection.send(`GET /healthz HTTP/1.1\r\nHost: x\r\n${upgrade}\r\n`);
        else connection.send(post('{"h2c":1}', upgrade));
        const answer = await connection.answer();
        expect(answer?.body.toString()).toBe(method === 'GET' ? 'ok\n' : '{"h2c":1}');
        connection.send(post('{"next":1}'));
        expect((await connection.answer())?.body.toString()).toBe('{"next":1}');
      }),
  );

  it('a refusal before the body has come reaches a client that goes on sending and closes', async () => {
    const small = await RunServer.start({
      engine: 'posix_spawn',
      http,
      env: { HYPERSKELETON_MAX_BODY_BYTES: '100000' },
    });
    try {
      const connection = await RawConnection.open(small.port);
      const bytes = 5_000_000;
      connection.send(
        `POST /run HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`,
      );
      expect((await connection.answer())?.status).toBe(413);
      await connection.ended();
    } finally {
      await small.stop();
    }
  });

  if (http === 'uws') {
    it.each([
      ['HTTP/1.0', post('{}', '', '1.0')],
      ['the absolute form', post('{}').replace('POST /run', 'POST http://x/run')],
    ])(
      '%s is not taken: 400 or 505, and the end of the connection (docs/reference/http.md)',
      (_what, request) =>
        connected(async (connection) => {
          connection.send(request);
          expect([400, 505, undefined]).toContain((await connection.answer())?.status);
          await connection.ended();
        }),
    );
    return;
  }

  it.each([
    ['', 'close'],
    ['Connection: close\r\n', 'close'],
    ['Connection: keep-alive\r\n', 'keep-alive'],
  ])('HTTP/1.0 with %j is served, and the connection then: %s', (header, after) =>
    connected(async (connection) => {
      connection.send(post('{"old":1}', header, '1.0'));
      const answer = await connection.answer();
      expect([answer?.status, answer?.headers.get('connection')]).toEqual([200, after]);
      expect(answer?.body.toString()).toBe('{"old":1}');
      if (after === 'close') await connection.ended();
      else {
        connection.send(post('{"old":2}', header, '1.0'));
        expect((await connection.answer())?.body.toString()).toBe('{"old":2}');
      }
    }),
  );

  it('HTTP/1.0 without a Host, as probes send it', () =>
    connected(async (connection) => {
      connection.send('GET /healthz HTTP/1.0\r\n\r\n');
      expect((await connection.answer())?.body.toString()).toBe('ok\n');
      await connection.ended();
    }));

  it('a request line in many packets', () =>
    connected(async (connection) => {
      const request = post('{"line":1}').replace('/run', `/run?q=${'a'.repeat(5000)}`);
      await sendInPackets(connection, request);
      expect((await connection.answer())?.body.toString()).toBe('{"line":1}');
      await sendInPackets(connection, post('{"line":2}'), 1);
      expect((await connection.answer())?.body.toString()).toBe('{"line":2}');
    }));

  it('the absolute form of the target', () =>
    connected(async (connection) => {
      connection.send(post('{"absolute":1}').replace('POST /run', 'POST http://x:8080/run?a=b'));
      expect((await connection.answer())?.body.toString()).toBe('{"absolute":1}');
    }));

  it('chunk extensions and trailers, which mean nothing', () =>
    connected(async (connection) => {
      connection.send(
        'POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n' +
          '12;name=value\r\n{"value":{"ext":1}\r\n1\r\n}\r\n0\r\nX-Sum: 1\r\n\r\n',
      );
      expect((await connection.answer())?.body.toString()).toBe('{"ext":1}');
      connection.send(post('{"next":1}'));
      expect((await connection.answer())?.body.toString()).toBe('{"next":1}');
    }));

  it('a client that closes its sending side gets its answer', () =>
    connected(async (connection) => {
      connection.socket.allowHalfOpen = true;
      connection.socket.end(post('{"half":1}'));
      expect((await connection.answer())?.body.toString()).toBe('{"half":1}');
    }));

  it('and so does one that closes it amid the next request', () =>
    connected(async (connection) => {
      connection.socket.allowHalfOpen = true;
      connection.socket.end(`${post('{"half":2}')}POST /run HT`);
      expect((await connection.answer())?.body.toString()).toBe('{"half":2}');
      await connection.ended();
    }));

  it('pipelined requests are run one after the other, and answered in their order', () =>
    connected(async (connection) => {
      await server.install('#!/bin/sh\nread -r line\ncase $line in *:1*) sleep 0.2;; esac\necho "$line"\n');
      const count = 50;
      const requests = Array.from({ length: count }, (_, at) => post(`{"n":${at}}`));
      connection.send(requests.join(''));
      for (let at = 0; at < 3; at++) expect((await connection.answer())?.body.toString()).toBe(`{"n":${at}}`);
      await server.install(ECHO);
      for (let at = 3; at < count; at++)
        expect((await connection.answer())?.body.toString()).toBe(`{"n":${at}}`);
      // What is broken behind a request is told of behind its answer.
      connection.send(`${post('{"n":"last"}')}nonsense\r\n\r\n`);
      expect((await connection.answer())?.body.toString()).toBe('{"n":"last"}');
      expect((await connection.answer())?.status).toBe(400);
      await connection.ended();
    }));

  it('no 100 for a body that is refused, and the connection ends', async () => {
    const small = await RunServer.start({
      engine: 'posix_spawn',
      http,
      env: { HYPERSKELETON_MAX_BODY_BYTES: '100000' },
    });
    try {
      const connection = await RawConnection.open(small.port);
      connection.send(
        'POST /run HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 100001\r\n\r\n',
      );
      const answer = await Promise.race([connection.answer(), silence(small.port)]);
      expect([answer?.status, answer?.headers.get('connection')]).toEqual([413, 'close']);
      await connection.ended();
    } finally {
      await small.stop();
    }
  });
});
