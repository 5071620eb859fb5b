import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  actionLoopInit,
  actionLoopScript,
  ECHO,
  errorOf,
  startActionLoopServer,
} from '../support/actionloop-server.js';
import { compileAction } from '../support/run-programs.js';
import { ENGINES, type RunServer, type ServerOptions } from '../support/run-server.js';
import { childrenOf, Gate, until } from '../support/waiting.js';

const M_RESULT = 'The action did not return a dictionary or array.';

interface Report {
  readonly argc: number;
  readonly argv0: string;
  readonly cwd: string;
  readonly group: number;
  readonly pid: number;
  readonly environment: readonly string[];
  readonly descriptors: Readonly<Record<string, string>>;
}

describe.each(ENGINES)('runs of an ActionLoop action (%s)', (engine) => {
  let server: RunServer;
  const start = async (
    code: string | Buffer,
    options: Partial<ServerOptions> = {},
    more = {},
  ): Promise<void> => {
    server = await startActionLoopServer({ engine, ...options });
    const answer = await server.post('/init', actionLoopInit(code, more));
    expect(answer.body.toString()).toBe('{"ok":true}\n');
  };
  afterEach(() => server.stop());

  async function report(options: Partial<ServerOptions> = {}, more = {}): Promise<Report> {
    await start(readFileSync(await compileAction('loop_probe')), options, more);
    const raw = JSON.parse((await server.run()).body.toString()) as Report;
    const plain = (hex: string): string => Buffer.from(hex, 'hex').toString();
    return {
      ...raw,
      argv0: plain(raw.argv0),
      cwd: plain(raw.cwd),
      environment: raw.environment.map(plain),
      descriptors: Object.fromEntries(Object.entries(raw.descriptors).map(([fd, link]) => [fd, plain(link)])),
    };
  }

  it('C-AL-06: no arguments, the working directory of the server, its streams, and descriptor 3', async () => {
    const seen = await report();
    expect(seen.argc).toBe(1);
    expect(seen.argv0).toBe(join(server.actionRoot, '1', 'bin', 'exec'));
    expect(seen.cwd).toBe(process.cwd());
    expect(seen.group).toBe(seen.pid);
    const numbers = Object.keys(seen.descriptors);
    // child_process passes on what the server itself inherited.
    if (engine === 'child_process') expect(numbers).toEqual(expect.arrayContaining(['0', '1', '2', '3']));
    else expect(numbers).toEqual(['0', '1', '2', '3']);
    expect(seen.descriptors['1']).toBe(join(server.folder, 'stdout'));
    expect(seen.descriptors['2']).toBe(join(server.folder, 'stderr'));
  });

  it('C-AL-07, C-AL-08: its environment is __OW_*, then what the init brings, and nothing else', async () => {
    const env = {
      __OW_API_HOST: 'https://host',
      __OW_X: 'a=b',
      OW_EXECUTION_ENV: '',
      OW_WAIT_FOR_ACK: '',
      HOME: '/home',
      OTHER: 'other',
    };
    const more = { env: { TEXT: 't', NUMBER: 1.5, NOTHING: null, LIST: [1, 2], YES: true, __OW_X: 'later' } };
    const { environment } = await report({ env }, more);
    const variables = new Map(environment.map((entry) => entry.split(/=(.*)/s) as [string, string]));
    expect(variables.get('__OW_PROXY_VERSION')).toMatch(/^\d+\.\d+/);
    variables.delete('__OW_PROXY_VERSION');
    expect(Object.fromEntries(variables)).toEqual({
      __OW_API_HOST: 'https://host',
      __OW_X: 'later',
      TEXT: 't',
      NUMBER: '1.5',
      NOTHING: 'null',
      LIST: '[1,2]',
      YES: 'true',
    });
  });

  it('C-AL-08: a container variable arrives whole', async () => {
    const { environment } = await report({ env: { __OW_X: 'a=b=c' } });
    expect(environment).toContain('__OW_X=a=b=c');
  });

  it('C-AL-13: the whole body arrives as one line', async () => {
    await start(ECHO);
    const answer = await server.runBody('{\n "value": {"a": "ä\\n"},\n\n "deadline": "1"\n}\n');
    expect(answer.body.toString()).toBe(
      '{ "value": {"a": "ä\\n"}, "deadline": "1"}\n'.replace('\\n"}', '\\n"}'),
    );
  });

  it('C-AL-13: also one of several megabytes', async () => {
    await start(readFileSync(await compileAction('loop_echo')));
    const value = JSON.stringify({ text: 'x'.repeat(3_000_000) });
    const answer = await server.runText(value);
    expect(answer.body.toString()).toBe(`{"value":${value}}\n`);
  });

  it.each(['{"a": 1}', '[1,  2]', '  {"a":"ä"}  ', '{"error":"x"}'])(
    'C-AL-14: %s is answered byte for byte with its line break',
    async (line) => {
      await start(actionLoopScript(`printf '%s\\n' '${line}' >&3`));
      const answer = await server.run();
      expect([answer.status, answer.body.toString()]).toEqual([200, `${line}\n`]);
      expect(answer.headers['content-type']).toBe('application/json');
      expect(answer.headers['content-length']).toBe(String(Buffer.byteLength(line) + 1));
    },
  );

  it.each(['5', '"text"', 'true', 'null', 'nothing', '{"a":', ''])(
    'C-AL-14, C-AL-15: %j is no result, and the process goes on',
    async (line) => {
      await start(
        actionLoopScript(
          `n=$((n+1)); [ $n = 2 ] && printf '{"n":%s}\\n' $n >&3 || printf '%s\\n' '${line}' >&3`,
        ),
      );
      const answer = await server.run();
      expect([answer.status, errorOf(answer)]).toEqual([502, M_RESULT]);
      expect((await server.run()).body.toString()).toBe('{"n":2}\n');
    },
  );

  it('C-AL-14: an answer beyond the limit is no result, and the process is replaced', async () => {
    await start(
      actionLoopScript('case $line in *long*) echo "[\\"$line\\"]" >&3;; *) echo "[1]" >&3;; esac'),
      {
        env: { HYPERSKELETON_MAX_RESULT_BYTES: '100' },
      },
    );
    const answer = await server.run({ long: 'x'.repeat(200) });
    expect([answer.status, errorOf(answer)]).toEqual([502, M_RESULT]);
    expect((await server.run()).body.toString()).toBe('[1]\n');
  });

  it('C-AL-16: logs go out as they come, and sentinels after each answer', async () => {
    await start(actionLoopScript('echo "out $line"; echo "err" >&2; echo "{}" >&3', 'echo began'));
    await server.run({ a: 1 });
    expect(server.takeRunLogs()).toEqual({ stdout: 'began\nout {"value":{"a":1}}\n', stderr: 'err\n' });
    await server.run({ a: 2 });
    expect(server.takeRunLogs()).toEqual({ stdout: 'out {"value":{"a":2}}\n', stderr: 'err\n' });
  });

  it('C-AL-16: sentinels after a result that is none, a death, and bad JSON too', async () => {
    await start(actionLoopScript('case $line in *die*) exit 1;; *) echo none >&3;; esac'));
    for (const value of ['{}', '{"die":1}', 'no JSON']) {
      await server.runText(value);
      expect(server.takeRunLogs(), value).toEqual({ stdout: '', stderr: '' });
    }
  });

  it('C-AL-17: before an init nothing runs', async () => {
    server = await startActionLoopServer({ engine });
    const answer = await server.run(); // loop_no_action
    expect([answer.status, errorOf(answer)]).toEqual([500, 'no action defined yet']);
    expect(server.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it('C-AL-17: a process that dies takes its own activation with it, and is replaced', async () => {
    await start(actionLoopScript('case $line in *die*) kill -9 $$;; *) echo "[$$]" >&3;; esac'));
    const before = (await server.run()).body.toString();
    const answer = await server.run({ die: true }); // loop_exited
    expect([answer.status, errorOf(answer)]).toEqual([400, 'command exited']);
    const after = await server.run();
    expect(after.status).toBe(200);
    expect(after.body.toString()).not.toBe(before);
  });

  it('C-AL-17: one that dies between runs is replaced before it is missed', async () => {
    await start(actionLoopScript('echo "[$$]" >&3'));
    const [pid] = JSON.parse((await server.run()).body.toString()) as [number];
    process.kill(pid, 'SIGKILL');
    await until('another one lives', () => {
      const children = childrenOf(server.pid);
      return children.length === 1 && !children.includes(pid);
    });
    expect((await server.run()).status).toBe(200);
  });

  it('C-AL-17: an answer written just before the end counts', async () => {
    await start(actionLoopScript('echo "[1]" >&3; exit 0'));
    expect((await server.run()).body.toString()).toBe('[1]\n');
  });

  // With sockets in the place of pipes nobody knows what has been read.
  it.skipIf(engine === 'child_process')(
    'C-AL-17: what a process had not read when it ended is given to the next one',
    async () => {
      await start(actionLoopScript('echo "[1]" >&3; exit 0'));
      const runs = Array.from({ length: 30 }, () => server.run());
      const seen = (await Promise.all(runs)).map(({ body }) => body.toString());
      expect(seen).toEqual(seen.map(() => '[1]\n'));
    },
  );

  it('C-AL-17: what can not be started again is told', async () => {
    await start(
      actionLoopScript('echo "[1]" >&3; : > /dev/null; exit 0').replace('exit 0', `rm -f "$0"; exit 0`),
      {},
      {
        env: { PATH: '/usr/bin:/bin' },
      },
    );
    expect((await server.run()).status).toBe(200);
    await until('it has ended', () => childrenOf(server.pid).length === 0);
    const answer = await server.run(); // loop_not_restarted
    expect([answer.status, errorOf(answer)]).toEqual([500, 'command exited']);
    expect(answer.headers['x-hyperskeleton-error']).toBeUndefined();
  });

  it('C-AL-17: with descriptor 3 closed the answer comes at the end of the process', async () => {
    await start(actionLoopScript('exec 3>&-; exit 0'));
    expect(errorOf(await server.run())).toBe('command exited');
  });

  it('C-AL-18: extra lines are dropped and logged, and answer nobody else', async () => {
    const twice = 'printf "%s\\n" "$line" >&3; printf "%s\\n" "{\\"extra\\":1}" >&3';
    await start(actionLoopScript(twice));
    const seen: string[] = [];
    for (let run = 0; run < 10; run++) seen.push((await server.run({ run })).body.toString());
    expect(seen).toEqual(Array.from({ length: 10 }, (_, run) => `{"value":{"run":${run}}}\n`));
    const { stderr } = server.takeLogs();
    expect(stderr.toString()).toContain(
      'error: the action wrote a line that answers no request: {"extra":1}',
    );
  });

  it('C-AL-18: not even to those who wait already', async () => {
    const twice = 'printf "%s\\n" "$line" >&3; printf "%s\\n" "{\\"extra\\":1}" >&3';
    await start(actionLoopScript(twice));
    const runs = Array.from({ length: 20 }, (_, run) => server.run({ run }));
    const seen = (await Promise.all(runs)).map(({ body }) => body.toString());
    expect(seen).toEqual(Array.from({ length: 20 }, (_, run) => `{"value":{"run":${run}}}\n`));
  });

  it('C-AL-19: requests at the same time each get their own answer', async () => {
    await start(ECHO);
    const runs = Array.from({ length: 100 }, (_, run) => server.run({ run }));
    const seen = (await Promise.all(runs)).map(({ body }) => body.toString());
    expect(seen).toEqual(Array.from({ length: 100 }, (_, run) => `{"value":{"run":${run}}}\n`));
  });

  it.each([
    ['no JSON', 'no JSON'],
    ['no body', ''],
    ['text after it', '{} {}'],
    ['no UTF-8', Buffer.from([0x22, 0xff, 0x22])],
    ['much that is no JSON', `"${'x'.repeat(300_000)}`],
  ])('C-AL-20: %s is a 400, and the process sees nothing of it', async (_what, body) => {
    await start(ECHO);
    const answer = await server.runBody(body);
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatch(/not valid JSON/);
    expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
  });

  it('C-AL-20: other methods and paths are told so', async () => {
    await start(ECHO);
    expect(await server.get('/run')).toBe(405);
    expect(await server.get('/other')).toBe(404);
  });

  it('C-AL-17: what runs at the end of the grace period is killed and told so', async () => {
    server = await startActionLoopServer({ engine, flags: ['--grace-ms', '100'] });
    const gate = new Gate(server.folder);
    await server.post('/init', actionLoopInit(actionLoopScript(`${gate.wait}; echo "{}" >&3`), {}));
    const running = server.run();
    await gate.arrivals(1);
    server.process.kill('SIGTERM');
    const answer = await running;
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([500, 'run_shutdown_killed']);
    await until('the server has ended', () => server.process.exitCode === 0);
  });

  it('C-SRV-11: its processes end with the server', async () => {
    await start(ECHO);
    await server.run();
    const [pid] = childrenOf(server.pid);
    server.process.kill('SIGTERM');
    await until('the server has ended', () => server.process.exitCode === 0);
    await until('the process has ended', () => {
      try {
        process.kill(pid as number, 0);
        return false;
      } catch {
        return true;
      }
    });
  });
});
