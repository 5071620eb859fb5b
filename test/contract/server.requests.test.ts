import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RawConnection } from '../support/raw-http.js';
import { FRONT_ENDS, RunServer } from '../support/run-server.js';

const ECHO = '#!/bin/sh\ncat\n';

describe.each(FRONT_ENDS)('HTTP (%s)', (http) => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn', http });
    await server.install(ECHO);
  });
  afterAll(() => server.stop());

  async function exchange(
    bytes: string | Buffer,
  ): Promise<{ status: number; allow: string | undefined; body: string }> {
    const connection = await RawConnection.open(server.port);
    try {
      connection.send(bytes);
      const answer = await connection.answer();
      return {
        status: answer?.status ?? 0,
        allow: answer?.headers.get('allow'),
        body: answer?.body.toString() ?? '',
      };
    } finally {
      connection.close();
    }
  }

  function post(body: string, headers = ''): string {
    return `POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${Buffer.byteLength(body)}\r\n${headers}\r\n${body}`;
  }

  it.each(['/run', '/init'])('C-SRV-04: %s takes POST; others are a 405 in JSON with Allow', async (path) => {
    for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'PROPFIND']) {
      const answer = await exchange(`${method} ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect([method, answer.status, answer.allow]).toEqual([method, 405, 'POST, OPTIONS']);
      expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String) });
    }
    expect(await exchange(`OPTIONS ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)).toMatchObject({
      status: 200,
      allow: 'POST, OPTIONS',
    });
    const refused = await fetch(`http://127.0.0.1:${server.port}${path}`);
    expect(refused.headers.get('x-hyperskeleton-error')).toBe('method_not_allowed');
  });

  it.each(['/', '/run/', '/init/', '/Run', '/runs', '/favicon.ico'])(
    'C-SRV-04, C-SRV-05: %s is a 404 in JSON',
    async (path) => {
      const answer = await server.post(path, '{}');
      expect(answer.status).toBe(404);
      expect(answer.headers['content-type']).toBe('application/json');
      expect(answer.headers['x-hyperskeleton-error']).toBe('not_found');
      expect(JSON.parse(answer.body.toString())).toEqual({ error: expect.any(String) });
    },
  );

  it('C-SRV-04: query strings are ignored', async () => {
    expect((await server.post('/run?a=b&value=c', '{"value":{"q":1}}')).body.toString()).toBe('{"q":1}');
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'nonsense',
    '',
  ])('C-SRV-06: any content type (%s)', async (type) => {
    const answer = await server.post(
      '/run',
      '{"value":{"t":1}}',
      type === '' ? {} : { 'Content-Type': type },
    );
    expect(answer.body.toString()).toBe('{"t":1}');
  });

  it.each(['chunked', 'Chunked'])('C-SRV-06: bodies in chunks (%s)', async (coding) => {
    const large = `{"value":{"x":"${'y'.repeat(200_000)}"}}`;
    for (const body of ['{"value":{"c":1}}', large]) {
      const size = Math.ceil(body.length / 3);
      const chunks = [0, 1, 2]
        .map((at) => body.slice(at * size, (at + 1) * size))
        .filter((chunk) => chunk !== '');
      const framed = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
      const answer = await exchange(
        `POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: ${coding}\r\n\r\n${framed}0\r\n\r\n`,
      );
      expect(answer).toMatchObject({ status: 200, body: body.slice(9, -1) });
    }
  });

  it('C-SRV-06: an empty chunked body runs with {}', async () => {
    const answer = await exchange(
      'POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    );
    expect(answer).toMatchObject({ status: 200, body: '{}' });
  });

  it('C-SRV-06: Expect: 100-continue gets an interim answer before the body is sent', async () => {
    const connection = await RawConnection.open(server.port);
    connection.send('POST /run HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 17\r\n\r\n');
    expect(await connection.head()).toMatch(/^HTTP\/1\.1 100 /);
    connection.send('{"value":{"e":1}}');
    expect((await connection.answer())?.body.toString()).toBe('{"e":1}');
    connection.close();
  });

  it('C-SRV-06: connections are kept alive, and closed where the client asks', async () => {
    const connection = await RawConnection.open(server.port);
    for (let count = 0; count < 3; count++) {
      connection.send(post(`{"value":{"n":${count}}}`));
      expect((await connection.answer())?.body.toString()).toBe(`{"n":${count}}`);
    }
    connection.send(post('{}', 'Connection: close\r\n'));
    expect((await connection.answer())?.status).toBe(200);
    await connection.ended();
  });

  it.each([
    'nonsense\r\n\r\n',
    'POST /run\r\n\r\n',
    'POST /run HTTP/1.1\r\nHost x\r\n\r\n',
    'POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: many\r\n\r\n{}',
    '\x00\x01\x02\x03\r\n\r\n',
  ])('C-SRV-06: a malformed request (%j) ends the connection, the server is unharmed', async (bytes) => {
    const connection = await RawConnection.open(server.port);
    connection.send(bytes);
    const answer = await connection.answer();
    // A first line without HTTP/1.1 in its place counts as another version (505).
    if (answer !== undefined) expect([400, 505]).toContain(answer.status);
    await connection.ended();
    expect((await server.run()).status).toBe(200);
  });

  it('C-SRV-07: answers carry Content-Length and are not chunked, whatever their status', async () => {
    const bodies = ['{"value":{}}', '{"value":5}', 'no JSON', `{"value":{"x":"${'z'.repeat(500_000)}"}}`];
    for (const body of bodies) {
      for (const path of ['/run', '/init']) {
        const answer = await server.post(path, body);
        expect(Number(answer.headers['content-length'])).toBe(answer.body.length);
        expect(answer.headers['transfer-encoding']).toBeUndefined();
        expect([204, 503]).not.toContain(answer.status);
      }
    }
  });

  it('C-SRV-06: a request sent while an answer is pending closes the connection; nothing is swapped, both logs end', async () => {
    const connection = await RawConnection.open(server.port);
    server.takeLogs();
    await server.install('#!/bin/sh\nread -r line\necho "$line" >&2\necho "$line"\n');
    connection.send(post('{"value":{"n":1}}') + post('{"value":{"n":2}}'));
    const first = await connection.answer();
    if (first !== undefined) expect(first.body.toString()).toBe('{"n":1}');
    const second = await connection.answer();
    if (second !== undefined) expect(second.body.toString()).toBe('{"n":2}');
    await server.install(ECHO);
    expect((await server.run({ n: 3 })).body.toString()).toBe('{"n":3}');
    connection.close();
  });

  it('answers its own pages', async () => {
    expect(await server.get('/healthz')).toBe(200);
    expect(await server.get('/readyz')).toBe(200);
    expect((await exchange('POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n')).allow).toBe(
      'GET, HEAD, OPTIONS',
    );
  });
});

describe('what a server does not say', () => {
  it('C-SRV-03: start, a good init and refused requests leave both streams empty', async () => {
    const server = await RunServer.start({ engine: 'posix_spawn' });
    try {
      await server.post('/init', '{"value":{"code":"#!/bin/sh\\necho {}"}}');
      await server.post('/nowhere', '{}');
      await server.get('/run');
      await server.get('/metrics');
      const connection = await RawConnection.open(server.port);
      connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"value"');
      connection.close();
      await connection.ended();
      (await RawConnection.open(server.port)).close();
      expect(await server.get('/healthz')).toBe(200);
      expect(server.takeLogs()).toEqual({ stdout: Buffer.alloc(0), stderr: Buffer.alloc(0) });
    } finally {
      await server.stop();
    }
  });
});
