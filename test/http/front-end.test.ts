import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { logFile } from '../support/log-file.js';
import { RunServer, type ServerOptions } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';

const WITHOUT_UWS = `--require=${fileURLToPath(new URL('../support/without-uws.cjs', import.meta.url))}`;
const HYPERSKELETON = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));

const log = logFile();
let server: RunServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function start(options: Partial<ServerOptions>): Promise<RunServer> {
  const { env, ...others } = options;
  server = await RunServer.start({
    engine: 'posix_spawn',
    ...others,
    env: { HYPERSKELETON_LOG_FILE: log, ...env },
  });
  return server;
}

async function frontEndOf(running: RunServer): Promise<string | undefined> {
  const { series } = await scrape(running.port);
  return /http="(\w+)"/.exec(series.find((one) => one.startsWith('hyperskeleton_build_info')) ?? '')?.[1];
}

function records(message: string): Record<string, unknown>[] {
  return readFileSync(log, 'utf8')
    .split('\n')
    .filter((line) => line.includes(`"${message}"`))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('HYPERSKELETON_HTTP', () => {
  it.each(['auto', 'uws'] as const)('%s is uWebSockets', async (http) => {
    const running = await start({ http });
    expect(await frontEndOf(running)).toBe('uws');
    expect(records('serving').at(-1)).toMatchObject({ http: 'uws' });
  });

  it('node is node:http', async () => {
    const running = await start({ http: 'node' });
    expect(await frontEndOf(running)).toBe('node');
    expect((await running.run({ a: 1 })).status).toBe(200);
  });

  it('auto is node where uWebSockets can’t be loaded, and the log says so', async () => {
    const running = await start({ http: 'auto', env: { NODE_OPTIONS: WITHOUT_UWS } });
    expect(await frontEndOf(running)).toBe('node');
    expect(records('serving').at(-1)).toMatchObject({ http: 'node' });
    const [warning] = records('a slower HTTP front end is in use');
    expect(warning).toMatchObject({ http: 'node', fallbackReason: expect.stringContaining('GLIBC_2.38') });
    expect((await running.run()).status).toBe(200);
  });

  it('uws where it can’t be loaded ends the start, and says why', async () => {
    const starting = start({ http: 'uws', env: { NODE_OPTIONS: WITHOUT_UWS }, logs: 'pipes' });
    await expect(starting).rejects.toThrow('the server ended: 1');
    const run = promisify(execFile)(HYPERSKELETON, ['serve', '--http', 'uws', '--port', '0'], {
      env: { PATH: process.env.PATH, NODE_OPTIONS: WITHOUT_UWS },
    });
    await expect(run).rejects.toMatchObject({ stderr: expect.stringMatching(/Node 20 needs glibc 2\.28/) });
  });

  it.each(['auto', 'node'] as const)(
    '%s: the variable of uWebSockets does not reach actions',
    async (http) => {
      const running = await start({ http });
      await running.install('#!/bin/sh\nprintf \'{"size":"%s"}\' "$UWS_HTTP_MAX_HEADERS_SIZE"\n');
      expect((await running.run()).body.toString()).toBe('{"size":""}');
    },
  );

  it('doctor says which one is used, and why', async () => {
    const { stdout } = await doctor({});
    expect(stdout).toMatch(/^uws +works$/m);
    expect(stdout).toMatch(/^HYPERSKELETON_HTTP=auto: uws is used$/m);
    const without = await doctor({ NODE_OPTIONS: WITHOUT_UWS });
    expect(without.stdout).toMatch(/^uws +no: .*GLIBC_2\.38/m);
    expect(without.stdout).toMatch(/^HYPERSKELETON_HTTP=auto: node is used, which is slower than uws$/m);
  });
});

function doctor(env: Record<string, string>): Promise<{ stdout: string }> {
  return promisify(execFile)(HYPERSKELETON, ['doctor'], { env: { PATH: process.env.PATH, ...env } });
}

describe.each(['uws', 'node'] as const)('C-SRV-11: a shutdown (%s)', (http) => {
  it('answers kept connections 503 and ends them, finishes what runs, and listens until then', async () => {
    const { RawConnection } = await import('../support/raw-http.js');
    const { Gate } = await import('../support/waiting.js');
    const running = await start({ http });
    const gate = new Gate(running.folder);
    await running.install(`#!/bin/sh\n${gate.wait}\necho '{"held":1}'\n`);
    const kept = await RawConnection.open(running.port);
    kept.send('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    expect((await kept.answer())?.status).toBe(200);
    const held = running.run();
    await gate.arrivals(1);
    const ended = once(running.process, 'exit');
    running.process.kill('SIGTERM');
    const { until } = await import('../support/waiting.js');
    await until('it drains', async () => (await running.get('/readyz')) === 503);
    kept.send('POST /run HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}');
    const refused = await kept.answer();
    expect([refused?.status, refused?.headers.get('connection')]).toEqual([503, 'close']);
    expect(refused?.headers.get('x-hyperskeleton-error')).toBe('draining');
    await kept.ended();
    expect((await running.run()).status).toBe(503);
    gate.open();
    expect((await held).body.toString()).toBe('{"held":1}');
    expect(await ended).toEqual([0, null]);
  });
});
