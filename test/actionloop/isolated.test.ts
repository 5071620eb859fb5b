import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  actionLoopInit,
  actionLoopScript,
  errorOf,
  startActionLoopServer,
} from '../support/actionloop-server.js';
import { engineLog, startsIn } from '../support/engine-log.js';
import { compileAction } from '../support/run-programs.js';
import type { Answer, RunServer } from '../support/run-server.js';
import { isAlive, until } from '../support/waiting.js';

/** A loop in Python that answers with what `answer(value)` gives; `before` runs once, as it loads. */
function pythonLoop(each: string, before = ''): string {
  return `#!/usr/bin/python3
import json, os, signal, sys
out = os.fdopen(3, "wb")
if os.getenv("__OW_WAIT_FOR_ACK"):
    out.write(b'{"ok":true}\\n')
    out.flush()
LOADED_PID = os.getpid()
count = 0
${before}
while True:
    line = sys.stdin.readline()
    if not line:
        break
    request = json.loads(line)
    value = request["value"]
    count += 1
${each.replace(/^/gm, '    ')}
    out.write(json.dumps(result).encode() + b"\\n")
    sys.stdout.flush()
    out.flush()
`;
}

const PERL = `#!/usr/bin/perl
use strict; use warnings; use JSON::PP;
$| = 1;
open(my $out, '>&=', 3) or die;
my $count = 0;
while (my $line = <STDIN>) {
  my $value = decode_json($line)->{value};
  $count++;
  print "log of $value->{id}\\n";
  syswrite($out, encode_json({ id => $value->{id}, count => $count, pid => $$ }) . "\\n");
}
`;
const PYTHON = pythonLoop(
  'print("log of %s" % value["id"])\nresult = {"id": value["id"], "count": count, "pid": os.getpid()}',
);
const shell = (interpreter: string): string =>
  actionLoopScript(
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's
    'count=$((count + 1)); id=${line#*\\"id\\":}; id=${id%%\\}*}\n' +
      'echo "log of $id"; echo "{\\"id\\":$id,\\"count\\":$count,\\"pid\\":0}" >&3',
    'count=0',
  ).replace('/bin/sh', interpreter);

const LOOPS: Readonly<Record<string, string>> = {
  sh: shell('/bin/dash'),
  bash: shell('/bin/bash'),
  perl: PERL,
  python: PYTHON,
};

let server: RunServer;
afterEach(() => server?.stop());

async function start(
  code: string | Buffer,
  env: Record<string, string> = {},
  engine: 'auto' | 'posix_spawn' = 'auto',
): Promise<Answer> {
  server = await startActionLoopServer({
    engine,
    // The folder that a test's server works in is open to its own user only.
    launcher: 'chmod 755 "$TMPDIR/.."; exec "$@"',
    flags: ['--actionloop-isolation', 'activation', '--threads', '1'],
    env: { HYPERSKELETON_LOG_LEVEL: 'debug', ...env },
  });
  return server.post('/init', actionLoopInit(code));
}

/** As {@link start}, with a log of what started each activation. */
async function startLogged(code: string | Buffer, env: Record<string, string> = {}): Promise<string> {
  const log = `/tmp/hyperskeleton-isolated-${process.pid}-${Math.random().toString(36).slice(2)}.log`;
  const answer = await start(code, { ...engineLog(log), ...env });
  expect(answer.body.toString()).toBe('{"ok":true}\n');
  return log;
}

function json(answer: Answer): Record<string, unknown> {
  expect(answer.status, answer.body.toString()).toBe(200);
  return JSON.parse(answer.body.toString()) as Record<string, unknown>;
}

describe('an activation of an isolated action is a clone of the process that waits', () => {
  it.each(Object.keys(LOOPS))('%s: in order, with a state of its own and its own log', async (name) => {
    const log = await startLogged(LOOPS[name] as string);
    server.takeLogs();
    for (let id = 1; id <= 30; id++) {
      expect(json(await server.run({ id }))).toMatchObject({ id, count: 1 });
      expect(server.takeRunLogs()).toEqual({ stdout: `log of ${id}\n`, stderr: '' });
    }
    expect(startsIn(log)).toEqual({ forkserver: 30 });
  });

  it.each(Object.keys(LOOPS))('%s: at the same time, each with its own answer', async (name) => {
    const log = await startLogged(LOOPS[name] as string);
    const ids = Array.from({ length: 120 }, (_, at) => at + 1);
    const left = [...ids];
    const seen: unknown[] = [];
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let id = left.pop(); id !== undefined; id = left.pop()) {
          const answer = json(await server.run({ id }));
          expect(answer).toMatchObject({ id, count: 1 });
          seen.push(answer.id);
        }
      }),
    );
    expect(seen.sort((a, b) => Number(a) - Number(b))).toEqual(ids);
    expect(startsIn(log)).toEqual({ forkserver: 120 });
    const lines = readFileSync(join(server.folder, 'stdout'), 'utf8').split('\n');
    for (const id of ids) expect(lines.filter((line) => line === `log of ${id}`)).toHaveLength(1);
  });

  it.each([
    ['static', ['-static']],
    ['dynamic', []],
  ])('a %s program in C', async (_name, flags) => {
    const log = await startLogged(readFileSync(await compileAction('loop_echo', flags)));
    for (let id = 1; id <= 20; id++) expect(json(await server.run({ id }))).toEqual({ value: { id } });
    expect(startsIn(log)).toEqual({ forkserver: 20 });
  });

  it('has its own streams, files at the position where they were, and nothing else open', async () => {
    const log = await startLogged(
      pythonLoop(
        `result = {"line": os.read(data, 9).decode(),
  "copy": os.readlink("/proc/self/fd/%d" % copy) == os.readlink("/proc/self/fd/3"),
  "open": sorted(int(fd) for fd in os.listdir("/proc/self/fd")), "inheritable": os.get_inheritable(3)}`,
        `data = os.open(sys.argv[0], os.O_RDONLY)
os.lseek(data, 2, os.SEEK_SET)
copy = os.dup(3)
os.set_inheritable(3, False)`,
      ),
    );
    // The folder that it lists is open too.
    const expected = { line: '/usr/bin/', copy: true, open: [0, 1, 2, 3, 4, 5, 6], inheritable: false };
    for (let at = 0; at < 5; at++) expect(json(await server.run())).toEqual(expected);
    expect(startsIn(log)).toEqual({ forkserver: 5 });
  });

  it('passes lines and answers of many MB', async () => {
    const log = await startLogged(pythonLoop('result = {"text": value["text"], "length": len(line)}'));
    const text = 'x'.repeat(5_000_000);
    const answer = json(await server.run({ text }));
    expect(answer.text === text).toBe(true);
    expect(startsIn(log)).toEqual({ forkserver: 1 });
  });

  it('tells the action by HYPERSKELETON_ISOLATION, also where it is no clone', async () => {
    const code = pythonLoop('result = {"isolation": os.environ["HYPERSKELETON_ISOLATION"], "count": count}');
    await start(code);
    expect(json(await server.run())).toEqual({ isolation: 'activation', count: 1 });
    await server.stop();
    await start(code, {}, 'posix_spawn');
    for (let at = 0; at < 3; at++)
      expect(json(await server.run())).toEqual({ isolation: 'activation', count: 1 });
  });

  it('finds nothing of an earlier activation in its memory', async () => {
    const log = await startLogged(
      pythonLoop(`
if "secret" in value:
    kept = [value["secret"]] * 1000
    os.environ["KEPT"] = value["secret"]
    result = {}
else:
    wanted = value["reversed"][::-1].encode()
    found = 0
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for mapping in maps.read().splitlines():
            place, access = mapping.split()[:2]
            begin, end = (int(part, 16) for part in place.split("-"))
            if "r" not in access or "[v" in mapping:
                continue
            memory.seek(begin)
            data = memory.read(end - begin)
            found += data.count(wanted)
            del data
    result = {"found": found, "kept": os.environ.get("KEPT")}`),
    );
    const secret = 'Zq7-unusual-secret-8Kp';
    for (let at = 0; at < 3; at++) json(await server.run({ secret }, { api_key: secret }));
    const { found, kept } = json(await server.run({ reversed: [...secret].reverse().join('') }));
    // The one that it has just made itself, in one or two pieces of memory.
    expect(Number(found)).toBeLessThanOrEqual(2);
    expect(kept).toBeNull();
    expect(startsIn(log)).toEqual({ forkserver: 4 });
  });

  it.runIf(process.getuid?.() === 0)('as another user', async () => {
    const log = await startLogged(pythonLoop('result = {"user": os.getuid(), "count": count}'), {
      HYPERSKELETON_ACTION_USER: '65534',
    });
    for (let at = 0; at < 5; at++) expect(json(await server.run())).toEqual({ user: 65534, count: 1 });
    expect(startsIn(log)).toEqual({ forkserver: 5 });
  });

  it('C-AL-10: acknowledges once, as it loads', async () => {
    const log = await startLogged(PYTHON, { OW_WAIT_FOR_ACK: '1' });
    for (let id = 1; id <= 5; id++) expect(json(await server.run({ id }))).toMatchObject({ id, count: 1 });
    expect(startsIn(log)).toEqual({ forkserver: 5 });
  });

  it('C-AL-10: and again where it is a new process', async () => {
    await start(PYTHON, { OW_WAIT_FOR_ACK: '1' }, 'posix_spawn');
    for (let id = 1; id <= 3; id++) expect(json(await server.run({ id }))).toMatchObject({ id, count: 1 });
  });

  it.each(['shell', 'python'])('C-AL-23: numbered lines: the example in %s', async (name) => {
    const code = readFileSync(new URL(`../../examples/actionloop/${name}/exec`, import.meta.url), 'utf8');
    const log = await startLogged(code, { OW_WAIT_FOR_ACK: '1' });
    for (let at = 0; at < 3; at++) json(await server.run({ name: 'Ada' }));
    expect(startsIn(log)).toEqual({ forkserver: 3 });
  });
});

/** What a program may have that its clones would share or lack: a statement as it loads, and the reason. */
const REFUSED: readonly (readonly [what: string, before: string, reason: RegExp])[] = [
  ['a thread', 'import threading\nthreading.Thread(target=signal.pause, daemon=True).start()', /2 threads/],
  ['a child', 'import subprocess\nchild = subprocess.Popen(["/bin/sleep", "60"])', /child processes/],
  [
    'a child that reads instead of it',
    'pid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\n    os._exit(0)',
    /another thread or process reads/,
  ],
  ['a socket', 'import socket\npair = socket.socketpair()', /descriptor \d leads to socket/],
  ['a pipe', 'pair = os.pipe()', /leads to pipe/],
  ['epoll', 'import select\nepoll = select.epoll()', /leads to anon_inode:\[eventpoll\]/],
  ['a file to write', 'file = open("/tmp/hyperskeleton-isolated", "w")', /which it may write to/],
  ['a lock', 'import fcntl\nfile = open(sys.argv[0])\nfcntl.flock(file, fcntl.LOCK_SH)', /has locked/],
  ['shared memory', 'import mmap\nshared = mmap.mmap(-1, 4096)', /shared memory/],
  ['an interval timer', 'signal.setitimer(signal.ITIMER_REAL, 3600)', /real-time timer/],
  [
    'a timer',
    'import ctypes\nctypes.CDLL(None).timer_create(1, None, ctypes.byref(ctypes.c_void_p()))',
    /timer_create/,
  ],
  [
    'locked memory',
    'import ctypes\nkept = ctypes.create_string_buffer(4096)\nctypes.CDLL(None).mlock(kept, 4096)',
    /mlock/,
  ],
  [
    'a pending signal',
    'signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])\nos.kill(os.getpid(), signal.SIGUSR1)',
    /pending signal/,
  ],
  ['a parent-death signal', 'import ctypes\nctypes.CDLL(None).prctl(1, 15)', /death of its parent/],
  ['a child subreaper', 'import ctypes\nctypes.CDLL(None).prctl(36, 1)', /subreaper/],
  ['not dumpable', 'import ctypes\nctypes.CDLL(None).prctl(4, 0)', /not dumpable|ptrace: EPERM|ptrace/],
  [
    'memory that children lack',
    'import mmap\nkept = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\nkept.madvise(mmap.MADV_DONTFORK)',
    /madvise/,
  ],
  ['another stdout', 'os.dup2(os.open("/dev/null", os.O_WRONLY), 1)', /descriptor 1 is not/],
  ['a stream that does not block', 'os.set_blocking(3, False)', /mode of its descriptor 3/],
  ['a limit of its own', 'import resource\nresource.setrlimit(resource.RLIMIT_CORE, (0, 0))', /altered/],
  ['an event loop', 'import select\nselect.poll().poll(1500)', /waits for events/],
];

describe('an isolated action that can not be cloned: a new process serves each activation', () => {
  it.each(REFUSED)('%s', async (_what, before, reason) => {
    const log = await startLogged(pythonLoop('result = {"id": value["id"], "count": count}', before));
    for (let id = 1; id <= 2; id++) expect(json(await server.run({ id }))).toEqual({ id, count: 1 });
    const starts = Object.keys(startsIn(log));
    expect(
      starts.every((name) => name.startsWith('posix_spawn: ')),
      starts.join('; '),
    ).toBe(true);
    expect(starts.join('; ')).toMatch(reason);
  });

  it('a child of its own session that has left nothing behind is no reason', async () => {
    const log = await startLogged(
      pythonLoop('result = {"count": count}', 'import subprocess\nsubprocess.run(["/bin/true"])'),
    );
    expect(json(await server.run())).toEqual({ count: 1 });
    expect(startsIn(log)).toEqual({ forkserver: 1 });
  });
});

describe('what an activation may do to the process that it is a clone of', () => {
  const METHODS = `
result = {"hits": hits, "count": count}
if value.get("do") == "signal":
    os.kill(LOADED_PID, signal.SIGUSR1)
if value.get("do") == "kill" and LOADED_PID != os.getpid():
    os.kill(LOADED_PID, signal.SIGKILL)
if value.get("do") == "limit":
    import resource
    resource.prlimit(LOADED_PID, resource.RLIMIT_NOFILE, (20, 20))
if value.get("do") == "limits":
    import resource
    result["files"] = resource.getrlimit(resource.RLIMIT_NOFILE)[1]`;
  const BEFORE =
    'hits = 0\ndef hit(number, frame):\n    global hits\n    hits += 1\nsignal.signal(signal.SIGUSR1, hit)';

  it('a signal to it is none to a later activation', async () => {
    const log = await startLogged(pythonLoop(METHODS, BEFORE));
    for (let at = 0; at < 5; at++)
      expect(json(await server.run({ do: 'signal' }))).toEqual({ hits: 0, count: 1 });
    expect(startsIn(log)).toEqual({ forkserver: 5 });
  });

  it('its death costs no activation', async () => {
    await startLogged(pythonLoop(METHODS, BEFORE));
    for (let at = 0; at < 5; at++)
      expect(json(await server.run({ do: 'kill' }))).toEqual({ hits: 0, count: 1 });
  });

  it('a limit that it is given is none of a later activation', async () => {
    await startLogged(pythonLoop(METHODS, BEFORE));
    expect(json(await server.run({ do: 'limit' }))).toEqual({ hits: 0, count: 1 });
    for (let at = 0; at < 3; at++)
      expect(Number(json(await server.run({ do: 'limits' })).files)).toBeGreaterThan(20);
  });
});

describe('the end of an isolated activation', () => {
  it('what it writes after its answer, until it waits again, belongs to its log', async () => {
    await startLogged(
      `${pythonLoop('result = {"id": value["id"]}')}    import time
    time.sleep(0.05)
    print("late %s" % value["id"], flush=True)
`,
    );
    server.takeLogs();
    for (let id = 1; id <= 3; id++) {
      json(await server.run({ id }));
      expect(server.takeRunLogs().stdout).toBe(`late ${id}\n`);
    }
  });

  it('so does what it writes after it has waited for a process', async () => {
    await startLogged(
      `${pythonLoop('result = {}')}    import subprocess
    print(subprocess.run("sleep 0.05; echo late", shell=True, capture_output=True, env={"PATH": "/bin"}).stdout.decode(), end="", flush=True)
`,
    );
    server.takeLogs();
    json(await server.run());
    expect(server.takeRunLogs().stdout).toBe('late\n');
  });

  it('one that ends without an answer: loop_exited, and the next is served', async () => {
    await startLogged(
      pythonLoop('if value.get("end"):\n    print("bye", flush=True)\n    os._exit(3)\nresult = {}'),
    );
    const answer = await server.run({ end: true });
    expect([answer.status, errorOf(answer)]).toEqual([400, 'command exited']);
    expect(server.takeRunLogs().stdout).toBe('bye\n');
    expect(json(await server.run())).toEqual({});
  });

  it('one that answers with what is no result: run_invalid_result', async () => {
    await startLogged(pythonLoop('result = 5'));
    const answer = await server.run();
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([502, undefined]);
  });

  it('a time limit: SIGTERM, which its own handler gets, then SIGKILL to all of its group', async () => {
    await startLogged(
      pythonLoop(
        'import subprocess, time\nchild = subprocess.Popen(["/bin/sleep", "600"])\nprint(child.pid, flush=True)\nwhile value.get("hang"):\n    time.sleep(1)\nresult = {}',
        'def told(number, frame):\n    print("told", flush=True)\nsignal.signal(signal.SIGTERM, told)',
      ),
      { HYPERSKELETON_ACTIVATION_TIMEOUT_MS: '700', HYPERSKELETON_TIMEOUT_GRACE_MS: '300' },
    );
    const answer = await server.run({ hang: true });
    expect(answer.status).toBe(504);
    const [pid = '', told] = server.takeRunLogs().stdout.split('\n');
    expect(told).toBe('told');
    await until('its child has ended', () => !isAlive(Number(pid)));
    expect((await server.run({})).status).toBe(200);
  });

  it('at the end of the server what is under way is answered', async () => {
    await startLogged(pythonLoop('import time\ntime.sleep(0.5)\nresult = {"id": value["id"]}'));
    const running = [1, 2, 3].map((id) => server.run({ id }));
    await until('they are under way', async () => (await server.get('/readyz')) === 200);
    const first = json(await (running[0] as Promise<Answer>));
    expect(first).toEqual({ id: 1 });
    server.process.kill('SIGTERM');
    expect((await Promise.all(running)).map(json)).toEqual([{ id: 1 }, { id: 2 }, { id: 3 }]);
    await until('the server has ended', () => server.process.exitCode === 0);
  });
});

describe('the init of an isolated action', () => {
  it('what it prints as it loads is in the log once the init is answered with an acknowledgement', async () => {
    const code = pythonLoop('result = {}').replace('out = os', 'print("loading", flush=True)\nout = os');
    await start(code, { OW_WAIT_FOR_ACK: '1' });
    expect(server.takeLogs().stdout.toString()).toBe('loading\n');
    json(await server.run());
    expect(server.takeRunLogs().stdout).toBe('');
  });

  it.each([
    ['it ends at once', '#!/bin/sh\necho because >&2\nexit 3\n', {}],
    ['it does not acknowledge', '#!/bin/sh\necho because >&2\nexit 3\n', { OW_WAIT_FOR_ACK: '1' }],
    [
      'it acknowledges badly',
      '#!/bin/sh\necho because >&2\necho "{}" >&3\nread -r line\n',
      { OW_WAIT_FOR_ACK: '1' },
    ],
  ])('fails where %s, and may be tried again', async (_what, code, env) => {
    const answer = await start(code, env as Record<string, string>);
    expect(answer.status).toBe(502);
    expect(server.takeLogs().stderr.toString()).toContain('because\n');
    expect((await server.post('/init', actionLoopInit(PYTHON))).status).toBe(200);
    expect(json(await server.run({ id: 7 }))).toMatchObject({ id: 7 });
  });

  it('another init: what is under way ends with the old action, what comes is of the new one', async () => {
    await start(pythonLoop('import time\ntime.sleep(value.get("wait", 0))\nresult = {"action": 1}'), {
      PROXY_ALLOW_REINIT: '1',
    });
    expect(json(await server.run())).toEqual({ action: 1 });
    const running = server.run({ wait: 0.5 });
    const second = pythonLoop('result = {"action": 2}');
    expect((await server.post('/init', actionLoopInit(second))).status).toBe(200);
    expect(json(await server.run())).toEqual({ action: 2 });
    expect(json(await running)).toEqual({ action: 1 });
    await until(
      'the first folder is gone',
      () => readdirSync(server.actionRoot).filter((n) => /^\d+$/.test(n)).length === 1,
    );
  });
});
