import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { ConnectionLimit } from '../../src/admission/connection-limit.js';
import { loadConfig } from '../../src/config/load.js';
import { Listener } from '../../src/http/listener.js';
import { loadFrontEnd } from '../../src/http/load-front-end.js';
import { defaultHosts } from '../../src/server/default-hosts.js';
import { logFile } from '../support/log-file.js';
import { FRONT_ENDS, RunServer, type ServerOptions } from '../support/run-server.js';
import { until } from '../support/waiting.js';

let server: RunServer | undefined;

async function start(options: Omit<ServerOptions, 'engine'> = {}): Promise<RunServer> {
  server = await RunServer.start({ engine: 'posix_spawn', ...options });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const LISTENING = '0A';
const ANY = ['00000000000000000000000000000000'];
const LOOPBACK = ['00000000000000000000000001000000', '0100007F'];

/** The addresses that are listened on at a port, as the kernel writes them (proc(5), /proc/net/tcp). */
function listeners(port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((path) => readFileSync(path, 'latin1').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === LISTENING && fields[1]?.endsWith(`:${wanted}`))
    .map((fields) => fields[1]?.split(':')[0] as string)
    .sort();
}

function connects(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, host);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

/** Tries to listen beside a server with SO_REUSEPORT, as an action's daemon of the same user could. */
function sharesPort(host: string, port: number): string {
  const family = host.includes(':') ? 'AF_INET6' : 'AF_INET';
  const script = `
import socket
s = socket.socket(socket.${family})
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if ${family === 'AF_INET6' ? 'True' : 'False'}: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
try:
    s.bind((${JSON.stringify(host)}, ${port}))
    s.listen(1)
    print("shared")
except OSError as error:
    print(error.errno)
`;
  return execFileSync('python3', ['-c', script], { encoding: 'utf8' }).trim();
}

const EADDRINUSE = '98';

describe('the addresses', () => {
  it('C-SRV-01: every interface, IPv4 and IPv6', async () => {
    const running = await start({ env: { HYPERSKELETON_HOST: '::' } });
    expect(listeners(running.port)).toEqual(ANY);
    expect(await connects('127.0.0.1', running.port)).toBe(true);
    expect(await connects('::1', running.port)).toBe(true);
  });

  it('C-SRV-01: those that are named, each once, and the metrics at the same ones', async () => {
    const metricsPort = await freePort();
    const flags = ['--host', '127.0.0.1', '--host', '::1, 127.0.0.1', '--metrics-port', String(metricsPort)];
    const running = await start({ flags, env: { HYPERSKELETON_HOST: '::' } });
    expect(listeners(running.port)).toEqual(LOOPBACK);
    expect(listeners(metricsPort)).toEqual(LOOPBACK);
  });

  it('C-SRV-01: the metrics at others', async () => {
    const metricsPort = await freePort();
    const flags = ['--host', '127.0.0.1', '--metrics-host', '::1', '--metrics-port', String(metricsPort)];
    const running = await start({ flags });
    expect(listeners(running.port)).toEqual(['0100007F']);
    expect(listeners(metricsPort)).toEqual(['00000000000000000000000001000000']);
  });

  it('C-SRV-01: a name stands for all its addresses', async () => {
    const running = await start({ flags: ['--host', 'localhost'] });
    expect(listeners(running.port)).toContain('0100007F');
  });

  it('C-SRV-01: a wildcard beside what it covers', async () => {
    const running = await start({ flags: ['--host', '0.0.0.0,::,127.0.0.1'] });
    expect(listeners(running.port)).toEqual(ANY);
  });

  it('C-SRV-01: Knative mode listens as the others do', async () => {
    const running = await start({
      env: { __OW_RUNTIME_PLATFORM: 'knative' },
      flags: ['--host', '127.0.0.1,::1'],
      readiness: '/_hyperskeleton/readyz',
    });
    expect(listeners(running.port)).toEqual(LOOPBACK);
  });

  it('the log tells every address, and the port that was chosen', async () => {
    const log = logFile();
    const { child } = launch(['--port', '0', '--host', '127.0.0.1,::1', '--log-file', log]);
    const exited = once(child, 'exit');
    const serving = (): { urls: string[] } | undefined => {
      const records = existsSync(log) ? readFileSync(log, 'utf8').split('\n').filter(Boolean) : [];
      return records.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'serving');
    };
    await until('it serves', () => serving() !== undefined);
    const urls = serving()?.urls ?? [];
    const { port } = new URL(urls[0] as string);
    expect(urls).toEqual([`http://127.0.0.1:${port}`, `http://[::1]:${port}`]);
    expect(listeners(Number(port))).toEqual(LOOPBACK);
    child.kill('SIGTERM');
    await exited;
  });

  it.each([
    [
      'an address of another machine',
      '192.0.2.1',
      /port \d+ of the address 192\.0\.2\.1 can't be .*EADDRNOTAVAIL/,
    ],
    [
      'a name without an address',
      'no-such-host.invalid',
      /the host no-such-host\.invalid can't be listened on/,
    ],
  ])('does not start at %s', async (_what, host, text) => {
    const { child, output } = launch(['--port', String(await freePort()), '--host', host]);
    const [status] = (await once(child, 'exit')) as [number];
    expect([status, output()]).toEqual([1, expect.stringMatching(text)]);
  });
});

const BINARY = join(import.meta.dirname, '../../bin/hyperskeleton');

function launch(flags: readonly string[]): { child: ChildProcess; output: () => string } {
  const child = spawn(BINARY, ['serve', ...flags], {
    env: { PATH: process.env.PATH ?? '' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  return { child, output: () => text };
}

describe('a system without IPv6', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-ipv4-'));
  const library = join(folder, 'no-ipv6.so');

  beforeAll(() => {
    const source = `
      #include <errno.h>
      #include <sys/socket.h>
      #include <sys/syscall.h>
      #include <unistd.h>
      int socket(int domain, int type, int protocol) {
        if (domain != AF_INET6) return (int)syscall(SYS_socket, domain, type, protocol);
        errno = EAFNOSUPPORT;
        return -1;
      }`;
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, '-x', 'c', '-'], { input: source });
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const launcher = 'export LD_PRELOAD="$LIBRARY"; exec "$@"';

  it('every interface is every one of IPv4', async () => {
    const running = await start({ env: { LIBRARY: library, HYPERSKELETON_HOST: '::' }, launcher });
    expect(listeners(running.port)).toEqual(['00000000']);
  });

  it('an address of IPv6 that is asked for is an error', async () => {
    const starting = start({ env: { LIBRARY: library, HYPERSKELETON_HOST: '127.0.0.1,::1' }, launcher });
    await expect(starting).rejects.toThrow('the server ended: 1');
  });
});

describe.each(FRONT_ENDS)('the addresses of loopback by default (%s)', (http) => {
  it('are those that are there', async () => {
    const { frontEnd } = await loadFrontEnd(http, { keepAliveMs: 0, stallTimeoutMs: 0 });
    const refused = () => ({ status: 400 });
    const listener = new Listener(
      frontEnd.serve({
        connections: new ConnectionLimit(1, { count() {}, log() {} }),
        routes: [],
        notFound() {},
        failed() {},
        refused,
      }),
    );
    const hosts = ['127.0.0.1', '192.0.2.1'];
    const found = await listener.listen({ hosts, port: 0, skipsMissing: true });
    listener.close();
    expect(found).toEqual([{ address: '127.0.0.1', port: expect.any(Number) }]);
    const port = await freePort();
    const strict = listener.listen({ hosts, port, skipsMissing: false });
    await expect(strict).rejects.toThrow('EADDRNOTAVAIL');
    expect(await connects('127.0.0.1', port)).toBe(false);
  });
});

describe.each(FRONT_ENDS)('no other process listens beside it (%s)', (http) => {
  it.each([
    ['::', ['0.0.0.0', '127.0.0.1', '::', '::1']],
    ['0.0.0.0', ['0.0.0.0', '127.0.0.1']],
    ['127.0.0.1,::1', ['0.0.0.0', '127.0.0.1', '::', '::1']],
  ])('at %s, neither on the main port nor on that of the metrics', async (host, others) => {
    const metricsPort = await freePort();
    const running = await start({ http, flags: ['--host', host, '--metrics-port', String(metricsPort)] });
    for (const port of [running.port, metricsPort]) {
      expect(others.map((other) => sharesPort(other, port))).toEqual(others.map(() => EADDRINUSE));
    }
  });

  it('and it starts again at once on a port with connections in TIME_WAIT', async () => {
    const port = await freePort();
    for (const round of [1, 2]) {
      const { child, output } = launch(['--port', String(port), '--host', '127.0.0.1', '--http', http]);
      const exited = once(child, 'exit');
      await until(`server ${round} is ready`, async () => {
        if (child.exitCode !== null) throw new Error(output());
        const answer = await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => undefined);
        return answer?.status === 200;
      });
      // Whoever closes first is the one whose port waits: the server does, once it drains.
      const kept = connect(port, '127.0.0.1');
      kept.on('error', () => {});
      kept.resume();
      kept.write('POST /init HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n');
      await once(kept, 'close');
      child.kill('SIGTERM');
      expect(await exited).toEqual([0, null]);
    }
  });
});

describe('where it listens if nobody says it', () => {
  const person = { environment: {}, pid: 4711, exists: () => false };

  it('is loopback, for a person outside of a container', () => {
    expect(defaultHosts(person)).toEqual(['127.0.0.1', '::1']);
  });

  it.each([
    ['process 1', { ...person, pid: 1 }],
    ['a pod of Kubernetes', { ...person, environment: { KUBERNETES_SERVICE_HOST: '10.0.0.1' } }],
    ['systemd-nspawn and Podman', { ...person, environment: { container: 'podman' } }],
    ['Docker', { ...person, exists: (path: string) => path === '/.dockerenv' }],
    ['Podman and CRI-O', { ...person, exists: (path: string) => path === '/run/.containerenv' }],
  ])('is every interface in a container: %s', (_what, surroundings) => {
    expect(defaultHosts(surroundings)).toEqual(['::']);
  });

  it('the image says it', () => {
    const dockerfile = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8');
    expect(dockerfile).toMatch(/HYPERSKELETON_HOST=::/);
  });
});

describe('hosts that are none', () => {
  it.each(['[::1]', '127.0.0.1:8080', '1.2.3', 'http://localhost', ',', 'a b'])('%j', (host) => {
    expect(loadConfig({ host }, {})).toEqual({
      problems: [`--host=${JSON.stringify(host)}: must be IP addresses or host names, separated by commas`],
    });
  });
});
