import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

interface Outcome {
  readonly status: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function run(
  args: readonly string[],
  options: { env?: Record<string, string>; input?: string } = {},
): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = execFile(
      BINARY,
      [...args],
      { encoding: 'buffer', env: { PATH: process.env.PATH, TMPDIR: folder, ...options.env } },
      (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr: stderr.toString() }),
    );
    child.stdin?.end(options.input ?? '');
  });
}

function action(name: string, files: Record<string, string>): string {
  const path = join(folder, name);
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(path, file, '..'), { recursive: true });
    writeFileSync(join(path, file), text, {
      mode: file.endsWith('exec') || file.includes('bin') ? 0o755 : 0o640,
    });
  }
  return path;
}

const ECHO = '#!/bin/sh\necho "a log line"\necho "another" >&2\necho "$1"\n';

describe('hyperskeleton invoke', () => {
  it('runs a folder: the result on stdout, the logs on stderr, no sentinels', async () => {
    const path = action('folder', { exec: '#!/bin/sh\necho log\nbin/tool "$1"\n', 'bin/tool': ECHO });
    const { status, stdout, stderr } = await run(['invoke', path, '--param', 'name=world', '-p', 'n=3']);
    expect([status, stdout.toString()]).toEqual([0, '{"name":"world","n":3}\n']);
    const report =
      /^REPORT duration \d+ ms · (cpu \d+ ms · peak \d+ MB · )?exit 0 · engine (forkserver|posix_spawn|child_process)$/;
    expect(stderr.split('\n').sort()).toEqual([
      '',
      expect.stringMatching(report),
      'a log line',
      'another',
      'log',
    ]);
  });

  it('runs one executable, and a zip', async () => {
    const path = action('single', { exec: ECHO });
    const zip = join(folder, 'single.zip');
    expect((await run(['invoke', join(path, 'exec')])).stdout.toString()).toBe('{}\n');
    expect((await run(['pack', path, '-o', zip])).status).toBe(0);
    expect((await run(['invoke', zip, '--params', '{"a":[1]}'])).stdout.toString()).toBe('{"a":[1]}\n');
  });

  it('takes parameters from a file and from stdin, and variables', async () => {
    const path = action('env', {
      exec: '#!/bin/sh\nprintf \'{"x":"%s","in":%s,"name":"%s"}\\n\' "$X" "$1" "$__OW_ACTION_NAME"\n',
    });
    writeFileSync(join(folder, 'params.json'), '{"a":1}');
    const fromFile = await run([
      'invoke',
      path,
      '--params',
      `@${join(folder, 'params.json')}`,
      '--env',
      'X=y=z',
    ]);
    expect(JSON.parse(fromFile.stdout.toString())).toEqual({ x: 'y=z', in: { a: 1 }, name: '/local/env' });
    const fromStdin = await run(['invoke', path, '--params', '-', '--param', 'b=2'], { input: '{"a":1}' });
    expect(JSON.parse(fromStdin.stdout.toString())).toMatchObject({ in: { a: 1, b: 2 } });
  });

  it('speaks ActionLoop too', async () => {
    const path = action('loop', {
      exec: '#!/bin/sh\nwhile read -r line; do echo log; printf "%s\\n" "$line" >&3; done\n',
    });
    const { status, stdout, stderr } = await run([
      'invoke',
      path,
      '--protocol',
      'actionloop',
      '--param',
      'a=1',
    ]);
    expect([status, stderr.replace(/^REPORT .*\n/m, '')]).toEqual([0, 'log\n']);
    expect(JSON.parse(stdout.toString())).toMatchObject({ value: { a: 1 }, action_name: '/local/loop' });
  });

  it('ends with 1 for an error, a failure, an init that fails, and a time limit', async () => {
    const own = action('error', { exec: '#!/bin/sh\necho \'{"error":"own"}\'\n' });
    expect(await run(['invoke', own])).toMatchObject({ status: 1, stdout: Buffer.from('{"error":"own"}\n') });
    const none = await run(['invoke', action('none', { exec: '#!/bin/sh\necho none\n' })]);
    expect([none.status, none.stdout.toString()]).toEqual([
      1,
      '{"error":"The action did not return a dictionary or array."}\n',
    ]);
    writeFileSync(join(folder, 'broken.zip'), 'PK\x03\x04broken');
    const broken = await run(['invoke', join(folder, 'broken.zip')]);
    expect([broken.status, broken.stdout.toString()]).toEqual([1, expect.stringMatching(/archive/)]);
    const slow = await run([
      'invoke',
      action('slow', { exec: '#!/bin/sh\nsleep 100\n' }),
      '--activation-timeout-ms',
      '200',
    ]);
    expect([slow.status, slow.stdout.toString()]).toEqual([
      1,
      expect.stringMatching(/time limit of 200 milliseconds/),
    ]);
  });

  it('ends with 2 for a command line that can not be understood', async () => {
    expect((await run(['invoke'])).status).toBe(2);
    expect((await run(['invoke', '/nonexistent'])).status).toBe(2);
    expect((await run(['invoke', folder, '--params', 'no JSON'])).status).toBe(2);
    expect((await run(['nonsense'])).status).toBe(2);
  });
});

describe('hyperskeleton pack', () => {
  it('keeps modes and links, and makes the same archive at any time', async () => {
    const path = action('packed', { exec: '#!/bin/sh\ncat link/data\n', 'lib/data': '{"a":1}\n' });
    symlinkSync('lib', join(path, 'link'));
    const [one, two, body] = ['one.zip', 'two.zip', 'init.json'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const output of [one, two, body])
      expect((await run(['pack', path, '-o', output, '--main', 'go'])).status).toBe(0);
    expect(readFileSync(one).equals(readFileSync(two))).toBe(true);
    const { value } = JSON.parse(readFileSync(body, 'utf8')) as { value: Record<string, unknown> };
    expect(value).toMatchObject({
      name: 'packed',
      main: 'go',
      binary: true,
      code: readFileSync(one).toString('base64'),
    });
    const server = await RunServer.start({ engine: 'posix_spawn' });
    try {
      expect((await server.post('/init', readFileSync(body))).status).toBe(200);
      expect((await server.run()).body.toString()).toBe('{"a":1}');
      const { statSync } = await import('node:fs');
      expect(statSync(join(server.actionRoot, 'lib/data')).mode & 0o777).toBe(0o640);
    } finally {
      await server.stop();
    }
  });

  it('tells what can not be packed', async () => {
    expect((await run(['pack', '/nonexistent', '-o', join(folder, 'x.zip')])).status).toBe(1);
    expect((await run(['pack', folder, '-o', 'x.tar'])).status).toBe(2);
    expect((await run(['pack'])).status).toBe(2);
  });
});

describe('the flags of the ActionLoop proxy', () => {
  it('C-AL-22: -version, and -compile with -env', async () => {
    expect((await run(['-version'])).stdout.toString()).toMatch(/^\d+\.\d+\.\d+\n$/);
    const compiler = join(folder, 'compiler');
    writeFileSync(compiler, '#!/bin/sh\n{ echo "#!/bin/sh"; cat "$2/exec"; echo "# $1 $X"; } > "$3/exec"\n', {
      mode: 0o755,
    });
    const compiled = await run(['-compile', 'main', '-env', '{"X":"y"}'], {
      env: { OW_COMPILER: compiler },
      input: 'echo "{}"\n',
    });
    expect([compiled.status, compiled.stderr]).toEqual([0, '']);
    writeFileSync(join(folder, 'compiled.zip'), compiled.stdout);
    expect((await run(['invoke', join(folder, 'compiled.zip')])).stdout.toString()).toBe('{}\n');
    const failing = await run(['-compile=main'], { env: { OW_COMPILER: '/bin/echo' }, input: 'x' });
    expect([failing.status, failing.stderr]).toEqual([1, expect.stringMatching(/^main /)]);
  });

  it('C-AL-22: -debug allows a further init', async () => {
    const server = await RunServer.start({
      engine: 'posix_spawn',
      flags: ['--protocol', 'actionloop', '-debug'],
    });
    try {
      const init = JSON.stringify({
        value: { code: '#!/bin/sh\nwhile read -r l; do echo "{}" >&3; done\n' },
      });
      expect((await server.post('/init', init)).status).toBe(200);
      expect((await server.post('/init', init)).status).toBe(200);
    } finally {
      await server.stop();
    }
  });
});
