import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { View } from '../../src/top/view.js';
import { actionLoopInit, ECHO, startActionLoopServer } from '../support/actionloop-server.js';
import { file } from '../support/repository.js';
import { RunServer } from '../support/run-server.js';

/** Runs a command at a terminal of its own, presses q once it has drawn, prints what it drew, ends as it does. */
const AT_A_TERMINAL = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 100, 0, 0))
seen, pressed = b'', False
while True:
    try:
        chunk = os.read(fd, 65536)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    if b'q ends' in seen and not pressed:
        os.write(fd, b'q')
        pressed = True
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

describe('hyperskeleton top', () => {
  let server: RunServer;

  beforeAll(async () => {
    server = await RunServer.start({ engine: 'posix_spawn', flags: ['--max-in-flight', '7'] });
    await server.install('#!/bin/sh\ncase "$1" in *bad*) echo no ;; *) echo "{}" ;; esac\n');
  });
  afterAll(() => server.stop());

  /** Watches while these activations come: they are between the two scrapes, however slow the machine is. */
  async function watch(runs: readonly unknown[], ...flags: string[]): Promise<Outcome> {
    let scrapes = 0;
    const between = createServer(async (_request, response) => {
      if (++scrapes === 2) for (const value of runs) await server.run(value);
      response.end(await (await fetch(urlOf(server.port))).text());
    });
    between.listen(0, '127.0.0.1');
    await once(between, 'listening');
    try {
      const { port } = between.address() as AddressInfo;
      return await top('--metrics-url', urlOf(port), '--interval', '0.1', '--once', ...flags);
    } finally {
      between.close();
    }
  }

  it('tells rates, percentiles and failures of the interval as JSON', async () => {
    const { status, stdout, stderr } = await watch([{}, {}, { word: 'bad' }], '--json');
    expect([status, stderr]).toEqual([0, '']);
    const view = JSON.parse(stdout) as View;
    expect(view.engine).toBe('posix_spawn');
    expect(view.version).toMatch(/^\d+\.\d+\.\d+/);
    expect(view.starts).toEqual({ posix_spawn: { perSecond: expect.any(Number), total: 3 } });
    expect(view.starts.posix_spawn?.perSecond).toBeGreaterThan(0);
    expect(view.inFlightLimit).toBe(7);
    expect(view.activations.byOutcome.ok?.perSecond).toBeGreaterThan(0);
    expect(view.failures.map(({ code, fault }) => [code, fault])).toEqual([['run_invalid_result', 'action']]);
    const { queue, start, run, total } = view.phases;
    for (const phase of [queue, start, run, total]) expect(phase.p99).toBeGreaterThan(0);
    expect(total.share).toBe(1);
    expect(total.mean as number).toBeGreaterThanOrEqual(run.mean as number);
    expect(view.threads.map(({ thread }) => thread)).toContain('main');
    expect(view.memory.serverBytes).toBeGreaterThan(1e6);
    expect(view.actionLoop).toBeNull();
  });

  it('is plain text where nobody sits at a terminal', async () => {
    const { status, stdout } = await watch([{}]);
    expect(status).toBe(0);
    expect(stdout).not.toContain('\x1b');
    expect(stdout).toMatch(/^hyperskeleton top {2}http/);
    expect(stdout).toMatch(/^started by {4}posix_spawn [\d.]+\/s \(100 %\)$/m);
    expect(stdout).toMatch(/^in flight {5}\.{24} {2}0 of 7$/m);
    expect(stdout).toMatch(/^total +[\d.]+ (µs|ms) .* 100 %$/m);
  });

  it('draws on a terminal until q, and gives the terminal back', async () => {
    const command = [
      file('bin/hyperskeleton'),
      'top',
      '--metrics-url',
      urlOf(server.port),
      '--interval',
      '0.3',
    ];
    const child = spawn('python3', ['-c', AT_A_TERMINAL, ...command], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let drawn = '';
    child.stdout.on('data', (chunk: Buffer) => {
      drawn += chunk;
    });
    const [status] = await once(child, 'close');
    expect(status).toBe(0);
    expect(drawn).toContain('\x1b[?1049h');
    expect(drawn).toContain('engine posix_spawn');
    expect(drawn.trimEnd().endsWith('\x1b[?25h\x1b[?1049l')).toBe(true);
  });

  it('shows the processes of an ActionLoop action', async () => {
    const loop = await startActionLoopServer({ engine: 'posix_spawn' });
    try {
      await loop.post('/init', actionLoopInit(ECHO));
      const { stdout } = await top(
        '--metrics-url',
        urlOf(loop.port),
        '--interval',
        '0.1',
        '--once',
        '--json',
      );
      expect((JSON.parse(stdout) as View).actionLoop).toEqual({ busy: 0, idle: 1, lost: 0 });
    } finally {
      await loop.stop();
    }
  });
});

describe('hyperskeleton top, where it can not', () => {
  const servers: Server[] = [];
  afterEach(() => {
    for (const each of servers.splice(0)) each.close();
  });

  it.each([
    ['what has no metrics', 404, '', /is not there: HYPERSKELETON_METRICS is off/],
    ['what fails', 500, '', /answered 500/],
    ['another page', 200, '<html>', /line 1 is not in Prometheus' text format/],
    ['another program', 200, 'up 1\n', /this is no Hyperskeleton server/],
  ])('says so: %s', async (_, code, body, reason) => {
    const other = createServer((_request, response) => response.writeHead(code).end(body));
    servers.push(other);
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { status, stderr } = await top('--metrics-url', urlOf(port), '--interval', '0.1', '--once');
    expect(status).toBe(1);
    expect(stderr).toMatch(reason);
    expect(stderr.split('\n')).toHaveLength(2);
  });

  it('says so: nobody there', async () => {
    const other = createServer();
    other.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    other.close();
    await once(other, 'close');
    const { status, stderr } = await top('--metrics-url', urlOf(port));
    expect([status, stderr]).toEqual([
      1,
      `hyperskeleton: ${urlOf(port)} can't be reached: nobody listens there\n`,
    ]);
  });

  it.each([
    [['--interval', '0']],
    [['--interval', 'soon']],
    [['--metrics-url', 'ftp://x/']],
    [['--metrics-url', 'x']],
    [['--sometimes']],
    [['http://127.0.0.1:8080/metrics']],
  ])('refuses %j', async (flags) => {
    const { status, stderr } = await top(...flags);
    expect(status).toBe(2);
    expect(stderr).toContain('--help tells');
  });
});

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function top(...flags: string[]): Promise<Outcome> {
  const child = spawn(file('bin/hyperskeleton'), ['top', ...flags], { stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  const [status] = await once(child, 'close');
  return { status: status as number, stdout, stderr };
}

function urlOf(port: number): string {
  return `http://127.0.0.1:${port}/metrics`;
}
