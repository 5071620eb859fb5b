import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { logFile } from '../support/log-file.js';
import { RawConnection } from '../support/raw-http.js';
import { FRONT_ENDS, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

/** Longer than uWebSockets' own time of 8 to 12 s. */
const LONG_MS = 13_000;
const STALL_MS = 2500;
const LARGE_BYTES = 20_000_000;
const LARGE = `#!/bin/sh\nprintf '{"x":"'; head -c ${LARGE_BYTES} /dev/zero | tr '\\0' x; echo '"}'\n`;

describe.each(FRONT_ENDS)('slow clients (%s)', (http) => {
  const log = logFile();
  let server: RunServer;
  let impatient: RunServer;

  beforeAll(async () => {
    const options = { engine: 'posix_spawn', http } as const;
    server = await RunServer.start(options);
    impatient = await RunServer.start({
      ...options,
      env: { HYPERSKELETON_STALL_TIMEOUT_MS: String(STALL_MS), HYPERSKELETON_LOG_FILE: log },
    });
  });
  afterAll(async () => {
    await server.stop();
    await impatient.stop();
  });

  it('C-SRV-06: a body that pauses, and a reader that pauses, get all', { timeout: 60_000 }, async () => {
    await server.install('#!/bin/sh\ncat\n');
    const body = '{"value":{"slow":1}}';
    const upload = await RawConnection.open(server.port);
    upload.send(`POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 5)}`);
    const chunked = await RawConnection.open(server.port);
    chunked.send(`POST /run HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n`);
    const headOnly = await RawConnection.open(server.port);
    headOnly.send(`POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
    await server.write('large', LARGE);
    await server.install('#!/bin/sh\ncase $1 in *slow*) cat;; *) exec sh ./large;; esac\n');
    const reader = connect(server.port, '127.0.0.1');
    reader.pause();
    reader.write('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    await delay(LONG_MS);
    upload.send(body.slice(5));
    chunked.send(`${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`);
    headOnly.send(body);
    let readBytes = 0;
    reader.on('data', ({ length }) => {
      readBytes += length;
    });
    reader.resume();
    for (const connection of [upload, chunked, headOnly])
      expect((await connection.answer())?.body.toString()).toBe('{"slow":1}');
    await until('all is read', () => readBytes > LARGE_BYTES + 8);
    reader.destroy();
  });

  it('C-SRV-12: a body that stands still is answered 408, counted and logged', async () => {
    const connection = await RawConnection.open(impatient.port);
    connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"value":');
    const answer = await connection.answer();
    expect([answer?.status, answer?.headers.get('x-hyperskeleton-error')]).toEqual([408, 'request_timeout']);
    await connection.ended();
    const { value } = await scrape(impatient.port);
    expect(value('hyperskeleton_refusals_total{code="request_timeout"}')).toBe(1);
    expect(value('hyperskeleton_buffered_bytes')).toBe(0);
    expect(readFileSync(log, 'utf8')).toContain('"code":"request_timeout"');
    expect(impatient.takeLogs().stdout.length).toBe(0);
  });

  it('a body that comes byte by byte is not cut as long as it comes', { timeout: 30_000 }, async () => {
    await impatient.install('#!/bin/sh\ncat\n');
    const body = `{"value":{"n":1}}`;
    const connection = await RawConnection.open(impatient.port);
    connection.send(`POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`);
    for (const letter of body) {
      connection.send(letter);
      await delay(STALL_MS / 5);
    }
    expect((await connection.answer())?.body.toString()).toBe('{"n":1}');
  });

  it('a reader that stands still is cut, counted and logged, and the memory free', {
    timeout: 30_000,
  }, async () => {
    await impatient.install(LARGE);
    const connection = await RawConnection.open(impatient.port);
    connection.socket.pause();
    connection.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    const page = () => scrape(impatient.port);
    await until(
      'it is cut',
      async () => (await page()).value('hyperskeleton_requests_aborted_total{during="answer"}') === 1,
    );
    expect((await page()).value('hyperskeleton_buffered_bytes')).toBe(0);
    expect(readFileSync(log, 'utf8')).toContain('"during":"answer"');
    connection.close();
  });
});

describe('kept connections', () => {
  it.each([
    { http: 'uws', announced: 'timeout=7' },
    { http: 'node', announced: 'timeout=100' },
  ] as const)('$http announces $announced', async ({ http, announced }) => {
    const server = await RunServer.start({ engine: 'posix_spawn', http });
    try {
      const answer = await fetch(`http://127.0.0.1:${server.port}/healthz`);
      expect(answer.headers.get('keep-alive')).toBe(announced);
      const last = await server.post('/run', '{}', { Connection: 'close' });
      expect(last.headers['keep-alive']).toBeUndefined();
    } finally {
      await server.stop();
    }
  });

  it.each([
    { http: 'uws', idleMs: 7000, isServed: true },
    { http: 'node', idleMs: LONG_MS, isServed: true },
  ] as const)(
    '$http serves one that was idle for $idleMs ms',
    { timeout: 40_000 },
    async ({ http, idleMs }) => {
      const server = await RunServer.start({ engine: 'posix_spawn', http });
      try {
        const connection = await RawConnection.open(server.port);
        for (const pauseMs of [idleMs, 0]) {
          connection.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
          expect((await connection.answer())?.status).toBe(200);
          await delay(pauseMs);
        }
        connection.close();
      } finally {
        await server.stop();
      }
    },
  );

  it('node closes one after HYPERSKELETON_KEEP_ALIVE_MS', async () => {
    const env = { HYPERSKELETON_KEEP_ALIVE_MS: '1000' };
    const server = await RunServer.start({ engine: 'posix_spawn', http: 'node', env });
    try {
      const connection = await RawConnection.open(server.port);
      connection.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
      expect((await connection.answer())?.headers.get('keep-alive')).toBe('timeout=1');
      await connection.ended();
    } finally {
      await server.stop();
    }
  });
});
