import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, readlinkSync, renameSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, describe, expect, it } from 'vitest';
import { freePort } from '../../conformance/target/free-port.js';
import { IGNORED_SIGNALS } from '../../src/os/server-signals.js';
import { actionLoopInit, startActionLoopServer } from '../support/actionloop-server.js';
import { logFile } from '../support/log-file.js';
import { ENGINES, RunServer } from '../support/run-server.js';
import { scrape } from '../support/scrape.js';
import { until } from '../support/waiting.js';

let server: RunServer | undefined;

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const { SIGHUP, SIGINT, SIGKILL, SIGQUIT, SIGSTOP, SIGTERM, SIGUSR1 } = constants.signals;
const NATIVE_SIGNALS = new URL('../../dist/src/os/native-signals.js', import.meta.url).href;
const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const MAX_SIGNAL = 64;
/** All that may neither end nor stop the server. */
const HARMLESS = Array.from({ length: MAX_SIGNAL }, (_, at) => at + 1).filter(
  (signal) => ![SIGKILL, SIGSTOP, SIGTERM, SIGINT, SIGQUIT].includes(signal),
);

/** Its own signals, as the kernel has them: ignored, blocked and handled ones (proc(5)). */
const DISPOSITIONS = `#!/bin/sh
exec awk '/^Sig(Blk|Ign|Cgt)/ { printf "%s\\"%s\\":\\"%s\\"", (n++ ? "," : "{"), $1, $2 } END { print "}" }' /proc/self/status
`;
const NONE = '0000000000000000';
const DEFAULTS = { 'SigBlk:': NONE, 'SigIgn:': NONE, 'SigCgt:': NONE };

/** Has an action send a signal to the server, as any process of the same user can. */
const SENDER = '#!/bin/sh\nkill -"$__OW_SIGNAL" "$__OW_SERVER" && echo "{}"\n';

describe.each(ENGINES)('%s: signals that an action sends', (engine) => {
  it('C-RUN-14: leave the server as it is, and actions with their defaults', async () => {
    const log = logFile();
    server = await RunServer.start({ engine, env: { HYPERSKELETON_LOG_FILE: log } });
    await server.install(DISPOSITIONS);
    expect(JSON.parse((await server.run()).body.toString())).toEqual(DEFAULTS);
    for (const signal of HARMLESS) {
      process.kill(server.pid, signal);
      const { status } = await server.post('/run', '{}').catch(() => ({ status: `ended by ${signal}` }));
      expect(status).toBe(200);
    }
    expect(JSON.parse((await server.run()).body.toString())).toEqual(DEFAULTS);
    const page = await scrape(server.port);
    for (const signal of IGNORED_SIGNALS) {
      expect([signal, page.value(`hyperskeleton_signals_ignored_total{signal="${signal}"}`)]).toEqual([
        signal,
        1,
      ]);
    }
    expect(readFileSync(log, 'utf8')).toContain('"msg":"signal ignored"');
    expect(readFileSync(log, 'utf8')).not.toContain('"level":50');
  });

  it.each(['USR1', 'SEGV', 'USR2'])('a run in flight goes on: SIG%s', async (signal) => {
    server = await RunServer.start({ engine });
    await server.install(SENDER);
    expect((await server.run({}, { signal, server: String(server.pid) })).status).toBe(200);
    expect((await server.run({}, { signal, server: String(server.pid) })).status).toBe(200);
    // Node's inspector would listen too.
    expect(new Set(portsOf(server.pid))).toEqual(new Set([server.port]));
  });

  it('a storm of them does not keep it from work', async () => {
    server = await RunServer.start({ engine });
    await server.install('#!/bin/sh\necho "{}"\n');
    const storm = `import os, sys, time\nend = time.time() + 3\nwhile time.time() < end:\n  for s in (10, 12, 34, 1): os.kill(${server.pid}, s)\n`;
    const sender = promisify(execFile)('python3', ['-c', storm]);
    for (let count = 0; count < 10; count++) expect((await server.run()).status).toBe(200);
    await sender;
    const page = await scrape(server.port);
    const counted = page.value('hyperskeleton_signals_ignored_total{signal="SIGUSR2"}') ?? 0;
    // Some of a storm pass before the kernel drops them; by far the most do not.
    expect(counted).toBeGreaterThan(0);
    expect(counted).toBeLessThan(20_000);
  });
});

it('actionloop: leave the server and the processes as they are', async () => {
  server = await startActionLoopServer({ engine: 'auto' });
  const script =
    "#!/bin/sh\nwhile read -r line; do /usr/bin/grep -c 'SigIgn:\t0000000000000000' /proc/self/status >&3; done\n";
  expect((await server.post('/init', actionLoopInit(script))).status).toBe(200);
  for (const signal of HARMLESS) process.kill(server.pid, signal);
  expect(await server.get('/readyz')).toBe(200);
});

it('a fault of its own ends a process all the same', async () => {
  const script = `
    const { ignoreOtherSignals } = await import(${JSON.stringify(NATIVE_SIGNALS)});
    const { default: koffi } = await import('koffi');
    ignoreOtherSignals();
    process.kill(process.pid, 'SIGSEGV');
    koffi.load('libc.so.6').func('void *memset(uintptr_t at, int byte, size_t count)')(8n, 1, 8);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
  expect(await once(child, 'exit')).toEqual([null, 'SIGSEGV']);
});

describe('signals of the operator', () => {
  it.each(['SIGTERM', 'SIGINT', 'SIGQUIT'] as const)(
    'C-SRV-11: %s finishes what runs and exits 0',
    async (signal) => {
      server = await RunServer.start({ engine: 'posix_spawn' });
      await server.install('#!/bin/sh\n: >started; while [ ! -e go ]; do sleep 0.05; done; echo "{}"\n');
      const answer = server.run();
      await until('it runs', () => existsSync(join((server as RunServer).actionRoot, 'started')));
      const exited = once(server.process, 'exit');
      process.kill(server.pid, signal);
      await until('it drains', async () => (await (server as RunServer).get('/readyz')) === 503);
      await server.write('go', '');
      expect((await answer).status).toBe(200);
      expect(await exited).toEqual([0, null]);
    },
  );

  it('SIGHUP opens the log file anew', async () => {
    const log = logFile();
    server = await RunServer.start({ engine: 'posix_spawn', env: { HYPERSKELETON_LOG_FILE: log } });
    renameSync(log, `${log}.1`);
    process.kill(server.pid, 'SIGHUP');
    await until(
      'the file is there again',
      () => existsSync(log) && readFileSync(log, 'utf8').includes('opened anew'),
    );
    await server.runBody('no JSON');
    expect(readFileSync(log, 'utf8')).toContain('run_bad_json');
    expect(readFileSync(`${log}.1`, 'utf8')).not.toContain('run_bad_json');
  });

  it('the server ends with the terminal that has started it', async () => {
    const script = `
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0: os.execv(${JSON.stringify(BINARY)}, ["hyperskeleton", "serve", "--port", "0"])
text = b""
while b"action root" not in text: text += os.read(terminal, 4096)
os.close(terminal)
print(text.decode(), os.waitpid(pid, 0)[1])`;
    const { stdout } = await promisify(execFile)('python3', ['-c', script]);
    expect(stdout).toMatch(
      /^hyperskeleton serves http:\/\/\S+:\d+( \(every interface, IPv6 and IPv4\))?\r?$/m,
    );
    expect(stdout.trim().split(' ').at(-1)).toBe('0');
  });

  it('a signal during the start is not lost', async () => {
    const child = spawn(BINARY, ['serve', '--port', String(await freePort()), '--host', '127.0.0.1'], {
      env: { PATH: process.env.PATH ?? '' },
      stdio: 'ignore',
    });
    const exited = once(child, 'exit');
    await until('it handles signals', () => handles(child.pid as number, SIGHUP));
    for (const signal of [SIGHUP, SIGUSR1, SIGTERM]) process.kill(child.pid as number, signal);
    expect(await exited).toEqual([0, null]);
  });
});

/** Whether a process handles a signal (proc(5), SigCgt). */
function handles(pid: number, signal: number): boolean {
  const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return ((BigInt(`0x${mask ?? '0'}`) >> BigInt(signal - 1)) & 1n) === 1n;
}

/** The ports that a process listens on. */
function portsOf(pid: number): number[] {
  const inodes = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    }),
  );
  return ['/proc/net/tcp', '/proc/net/tcp6']
    .flatMap((path) => readFileSync(path, 'latin1').split('\n').slice(1))
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[3] === '0A' && inodes.has(fields[9] as string))
    .map((fields) => Number.parseInt(fields[1]?.split(':')[1] as string, 16));
}
