import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import {
  actionLoopInit,
  actionLoopScript,
  ECHO,
  errorOf,
  startActionLoopServer,
} from '../support/actionloop-server.js';
import { script, zipOf } from '../support/archives.js';
import { ENGINES, type RunServer, SENTINEL, type ServerOptions } from '../support/run-server.js';
import { childrenOf, until } from '../support/waiting.js';

const SENTINEL_LINE = `${SENTINEL}\n`;

describe.each(ENGINES)('init of an ActionLoop action (%s)', (engine) => {
  let server: RunServer;
  const start = async (options: Partial<ServerOptions> = {}): Promise<void> => {
    server = await startActionLoopServer({ engine, ...options });
  };
  afterEach(() => server.stop());

  it('C-AL-01: success is {"ok":true} and a line break in JSON, and nothing is logged', async () => {
    await start();
    const answer = await server.post('/init', actionLoopInit(ECHO));
    expect([answer.status, answer.body.toString()]).toEqual([200, '{"ok":true}\n']);
    expect(answer.headers['content-type']).toBe('application/json');
    expect(answer.headers['content-length']).toBe(String(answer.body.length));
    const { stdout, stderr } = server.takeLogs();
    expect([stdout.length, stderr.length]).toEqual([0, 0]);
  });

  it.each([
    ['text', (): string => actionLoopInit(ECHO)],
    ['a single file in base64', (): string => actionLoopInit(Buffer.from(ECHO))],
    [
      'base64 with line breaks',
      (): string => {
        const code = Buffer.from(ECHO).toString('base64').replace(/.{10}/g, '$&\n');
        return JSON.stringify({ value: { code, binary: true } });
      },
    ],
    [
      'a zip whose exec has no x bit',
      (): string =>
        actionLoopInit(
          zipOf([
            { name: 'exec', data: ECHO, mode: 0o100644 },
            { name: 'lib/data', data: 'x' },
          ]),
        ),
    ],
    [
      'a tar.gz whose exec has no x bit',
      (): string => actionLoopInit(tarball({ exec: ECHO, 'lib/data': 'x' })),
    ],
  ])('C-AL-02: the upload may be %s', async (_kind, body) => {
    await start();
    expect((await server.post('/init', body())).status).toBe(200);
    expect(statSync(join(server.actionRoot, '1', 'bin', 'exec')).mode & 0o777).toBe(0o755);
    expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
    expect(readdirSync(server.actionRoot)).toEqual(['1']);
  });

  it('C-AL-02: a tar.gz keeps modes and links, and each init has a folder of its own', async () => {
    await start({ env: { PROXY_ALLOW_REINIT: '1' } });
    const archive = tarball({ exec: ECHO, 'bin/tool': 'x', 'lib/data': 'y' }, (folder) => {
      execFileSync('chmod', ['751', join(folder, 'bin/tool')]);
      symlinkSync('lib/data', join(folder, 'link'));
    });
    expect((await server.post('/init', actionLoopInit(archive))).status).toBe(200);
    const bin = join(server.actionRoot, '1', 'bin');
    expect(statSync(join(bin, 'bin/tool')).mode & 0o777).toBe(0o751);
    expect(readFileSync(join(bin, 'link'), 'utf8')).toBe('y');
    expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
    expect(existsSync(join(server.actionRoot, '2', 'bin', 'exec'))).toBe(true);
    await until('the first folder is gone', () => !existsSync(join(server.actionRoot, '1')));
  });

  it.each([
    ['no value', '{}'],
    ['an empty value', '{"value":{}}'],
    ['null for code', '{"value":{"code":null}}'],
    ['no text', '{"value":{"code":""}}'],
    ['no text in base64', '{"value":{"code":"","binary":true}}'],
  ])('C-AL-03: %s is a 403', async (_what, body) => {
    await start();
    const answer = await server.post('/init', body);
    expect([answer.status, errorOf(answer)]).toEqual([403, 'Missing main/no code to execute.']); // loop_no_code
    expect(server.takeLogs().stdout.length).toBe(0);
    expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
  });

  it('C-AL-04: a second init is refused and logged, and the first action stays', async () => {
    await start();
    await server.post('/init', actionLoopInit(ECHO));
    const answer = await server.post('/init', actionLoopInit(actionLoopScript('echo "[]" >&3')));
    expect([answer.status, errorOf(answer)]).toEqual([403, 'Cannot initialize the action more than once.']);
    expect(server.takeLogs().stderr.toString()).toBe('Cannot initialize the action more than once.\n');
    expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
  });

  it('C-AL-04: where it is allowed the new process takes over, and one that fails leaves the old one', async () => {
    await start({ env: { PROXY_ALLOW_REINIT: '1' } });
    await server.post('/init', actionLoopInit(actionLoopScript('echo "[1]" >&3')));
    expect((await server.post('/init', actionLoopInit('no program'))).status).toBe(502);
    expect((await server.run()).body.toString()).toBe('[1]\n');
    expect((await server.post('/init', actionLoopInit(actionLoopScript('echo "[2]" >&3')))).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('[2]\n');
    await until('one process is left', () => childrenOf(server.pid).length === 1);
  });

  it.each([
    ['no JSON', 'no JSON', /^Error unmarshaling request: ./],
    ['no body', '', /^Error unmarshaling request: ./],
    ['an array', '[]', /^Error unmarshaling request: ./],
    ['a value that is no object', '{"value":1}', /^Error unmarshaling request: ./],
    ['code that is no string', '{"value":{"code":1}}', /^Error unmarshaling request: ./],
    [
      'a binary that is no boolean',
      '{"value":{"code":"x","binary":"true"}}',
      /^Error unmarshaling request: ./,
    ],
    ['an env that is no object', '{"value":{"code":"x","env":[]}}', /^Error unmarshaling request: ./],
    [
      'an impossible variable',
      '{"value":{"code":"x","env":{"a=b":"c"}}}',
      /^Error unmarshaling request: .*a=b/,
    ],
    ['bad base64', '{"value":{"code":"%%%","binary":true}}', /^cannot decode the request: ./],
  ])('C-AL-05: %s is a 400', async (_what, body, message) => {
    await start();
    const answer = await server.post('/init', body); // loop_bad_init, loop_bad_base64
    expect(answer.status).toBe(400);
    expect(errorOf(answer)).toMatch(message);
    expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
  });

  it.each([
    ['a zip without exec', (): string => actionLoopInit(zipOf([{ name: 'data', data: 'x' }]))],
    ['a script without an interpreter line', (): string => actionLoopInit('echo hello\n')],
    ['a program that ends at once', (): string => actionLoopInit('#!/bin/sh\nexit 0\n')],
    // Where others have the machine even that takes longer than the 5 ms that count.
  ])('C-AL-09: %s does not start, and does not count as an init', { retry: 5 }, async (_what, body) => {
    await start();
    const answer = await server.post('/init', body()); // loop_start_failed
    expect([answer.status, errorOf(answer)]).toEqual([502, 'cannot start action: command exited']);
    await until('its folder is gone', () => readdirSync(server.actionRoot).length === 0);
    expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
  });

  it.each([
    ['an acknowledgement', 'echo \'{"ok":true}\' >&3', undefined],
    ['ok: false', 'echo \'{"ok":false}\' >&3', 'The action did not initialize properly.'],
    ['an object without ok', 'echo "{}" >&3', 'The action did not initialize properly.'],
    ['an end', 'exit 1', 'Command exited abruptly during initialization.'],
  ])('C-AL-10: an init that waits for the acknowledgement gets %s', async (_what, before, problem) => {
    await start({ env: { OW_WAIT_FOR_ACK: '1' } });
    const answer = await server.post(
      '/init',
      actionLoopInit(actionLoopScript('printf "%s\\n" "$line" >&3', before)),
    );
    if (problem === undefined) {
      expect(answer.body.toString()).toBe('{"ok":true}\n');
      expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
    } else {
      expect([answer.status, errorOf(answer)]).toEqual([502, `cannot start action: ${problem}`]);
      await until('its process has ended', () => childrenOf(server.pid).length === 0);
    }
  });

  it('C-AL-10: garbage for an acknowledgement is told as what the parser says', async () => {
    await start({ env: { OW_WAIT_FOR_ACK: '1' } });
    const answer = await server.post('/init', actionLoopInit(actionLoopScript(':', 'echo garbage >&3')));
    expect(errorOf(answer)).toMatch(/^cannot start action: .*not valid JSON/);
  });

  it('C-AL-10: an acknowledgement that does not come is waited for no longer than the limit', async () => {
    await start({ env: { OW_WAIT_FOR_ACK: '1', HYPERSKELETON_INIT_TIMEOUT_MS: '200' } });
    const answer = await server.post('/init', actionLoopInit(ECHO));
    expect(errorOf(answer)).toBe('cannot start action: there was no acknowledgement within 200 milliseconds');
    await until('its process has ended', () => childrenOf(server.pid).length === 0);
  });

  it('C-AL-11: an archive for another environment is refused, and what was expected is logged', async () => {
    await start({ env: { OW_EXECUTION_ENV: 'test/1.0' } });
    const archive = (env: string): string =>
      actionLoopInit(
        zipOf([script('exec', 'while read -r l; do echo "{}" >&3; done'), { name: 'exec.env', data: env }]),
      );
    const wrong = await server.post('/init', archive('other/2.0'));
    expect(errorOf(wrong)).toBe(
      'cannot start action: Execution environment version mismatch. See logs for details.',
    );
    expect(server.takeLogs().stdout.toString()).toBe(
      'Expected exec.env should start with test/1.0\nActual value: other/2.0\n',
    );
    const missing = await server.post('/init', actionLoopInit(ECHO));
    expect(errorOf(missing)).toMatch(/^cannot start action: open .*\/exec\.env: no such file or directory$/);
    expect((await server.post('/init', archive(' test/1.0\n'))).status).toBe(200);
  });

  it.each([
    ['a start', 'echo hello\n', 'Cannot start action. Check logs for details.', 'command exited'],
    [
      'unpacking',
      zipOf([{ name: '../evil', data: 'x' }]),
      'The action failed to generate or locate a binary. See logs for details.',
      'evil',
    ],
  ])(
    'C-AL-12: with OW_LOG_INIT_ERROR the reason of %s that failed is in the logs',
    async (_what, code, message, reason) => {
      await start({ env: { OW_LOG_INIT_ERROR: '1' } });
      const answer = await server.post('/init', actionLoopInit(code)); // loop_start_logged, loop_init_logged
      expect([answer.status, errorOf(answer)]).toEqual([502, message]);
      const { stdout, stderr } = server.takeLogs();
      expect(stdout.toString()).toBe(SENTINEL_LINE);
      expect(stderr.toString()).toContain(reason);
      expect(stderr.toString().endsWith(`\n${SENTINEL_LINE}`)).toBe(true);
    },
  );

  it.each([
    ['a truncated zip', (): Buffer => zipOf([script('exec', ':')]).subarray(0, 60)],
    ['a truncated tar.gz', (): Buffer => tarball({ exec: ECHO }).subarray(0, 60)],
    ['a zip that leads outside', (): Buffer => zipOf([script('exec', ':'), { name: '../evil', data: 'x' }])],
    [
      'a tar.gz that leads outside',
      (): Buffer => tarball({ exec: ECHO, evil: 'x' }, undefined, ['--transform', 's,^evil,../evil,', '-P']),
    ],
  ])('C-AL-21: %s is refused, and nothing is written', async (_what, archive) => {
    await start();
    const answer = await server.post('/init', actionLoopInit(archive()));
    expect([400, 502]).toContain(answer.status);
    expect(errorOf(answer)).toMatch(/archive/);
    expect(readdirSync(server.actionRoot)).toEqual([]);
    expect(existsSync(join(server.folder, 'evil'))).toBe(false);
    expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
  });

  it('C-AL-21: a tar.gz that inflates beyond the limit is refused', async () => {
    await start({ env: { HYPERSKELETON_MAX_UNZIPPED_BYTES: '100000' } });
    const answer = await server.post(
      '/init',
      actionLoopInit(tarball({ exec: ECHO, zeros: '0'.repeat(200_000) })),
    );
    expect(errorOf(answer)).toMatch(/too large/);
    expect(readdirSync(server.actionRoot)).toEqual([]);
  });

  describe('with a compiler', () => {
    const compiler = (text: string): Record<string, string> => {
      const path = join(execFileSync('mktemp', ['-d']).toString().trim(), 'compiler');
      writeFileSync(path, `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      return { OW_COMPILER: path };
    };

    it('C-AL-02: source becomes what it makes of it, by main, source and bin folder', async () => {
      await start({ env: compiler('{ echo "#!/bin/sh"; cat "$2/exec"; echo "# $1 $X"; } > "$3/exec"') });
      const body = actionLoopInit(ECHO.replace('#!/bin/sh\n', ''), { main: 'hello', env: { X: 'y' } });
      expect((await server.post('/init', body)).status).toBe(200);
      expect(readFileSync(join(server.actionRoot, '1', 'bin', 'exec'), 'utf8')).toMatch(/# hello y\n$/);
      expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
    });

    it('C-AL-02: a program is taken as it is', async () => {
      await start({ env: compiler('echo never') });
      expect((await server.post('/init', actionLoopInit(ECHO))).status).toBe(200);
    });

    it.each([
      ['what it prints', 'echo "syntax error"; exit 0', 'syntax error\n'],
      ['its exit status', 'exit 3', 'exit status 3'],
      ['that it made nothing', 'exit 0', 'cannot compile'],
    ])('C-AL-12: %s is the error', async (_what, text, message) => {
      await start({ env: compiler(text) });
      const answer = await server.post('/init', actionLoopInit('source')); // loop_not_compiled
      expect([answer.status, errorOf(answer)]).toEqual([502, message]);
      expect(readdirSync(server.actionRoot)).toEqual([]);
    });
  });

  function tarball(
    files: Record<string, string>,
    arrange?: (folder: string) => void,
    options: string[] = [],
  ): Buffer {
    const folder = execFileSync('mktemp', ['-d']).toString().trim();
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(folder, name, '..'), { recursive: true });
      writeFileSync(join(folder, name), text, { mode: 0o644 });
    }
    arrange?.(folder);
    const names = readdirSync(folder);
    const archive = execFileSync('tar', ['-cz', ...options, '-C', folder, ...names], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    execFileSync('rm', ['-rf', folder]);
    return archive;
  }
});
