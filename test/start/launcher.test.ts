import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';

const BINARY = fileURLToPath(new URL('../../bin/hyperskeleton', import.meta.url));
const PATH = process.env.PATH ?? '';
/** What bash changes, and names that its script could have for itself. */
const OF_SHELLS = {
  ...{ IFS: 'x', PS1: '1', PS4: '4', OPTIND: '7', RANDOM: 'no number', SECONDS: 'nor this', LINENO: '0' },
  ...{ PPID: '3', UID: '4', GROUPS: '5', SHLVL: '6', OLDPWD: '/nowhere', _: '/usr/bin/env', COLUMNS: '33' },
  ...{
    SHELLOPTS: 'xtrace',
    BASHOPTS: 'extglob',
    POSIXLY_CORRECT: '',
    BASH_ENV: '/nowhere',
    BASH_VERSION: '1',
  },
  ...{
    self: 'a',
    name: 'b',
    server: 'c',
    environment: 'd',
    at: 'e',
    TWO_LINES: 'a\nb',
    'BASH_FUNC_f%%': '() { :; }',
  },
};

describe('the launcher', () => {
  let server: RunServer | undefined;
  afterEach(() => server?.stop());

  async function seenWith(env: Record<string, string>): Promise<Record<string, string>> {
    // The shell in front of the server would change them itself.
    const words = Object.entries(env).map(([name, value]) => `'${name}=${value}'`);
    server = await RunServer.start({ engine: 'posix_spawn', launcher: `exec env ${words.join(' ')} "$@"` });
    await server.install('#!/usr/bin/python3\nimport json, os\nprint(json.dumps(dict(os.environ)))\n');
    return JSON.parse((await server.run()).body.toString()) as Record<string, string>;
  }

  it('C-RUN-08: hands variables on that shells set themselves', async () => {
    expect(await seenWith(OF_SHELLS)).toMatchObject(OF_SHELLS);
  });

  it('C-RUN-08: adds none', async () => {
    const names = Object.keys(await seenWith({ MINE: '1' })).filter((name) => !name.startsWith('__OW_'));
    // The interpreter sets LC_CTYPE (PEP 538).
    expect(new Set(names)).toEqual(new Set(['MINE', 'PATH', 'PWD', 'TMPDIR', 'LC_CTYPE']));
  });

  it('C-SRV-03: does not complain of a locale that the system does not have', async () => {
    const locale = { LC_ALL: 'xx_YY.UTF-8', LANG: 'xx_YY.UTF-8' };
    expect(await seenWith(locale)).toMatchObject(locale);
    expect(server?.takeRunLogs()).toEqual({ stdout: '', stderr: '' });
  });

  it('C-RUN-08: hands nothing on of a launcher that has started it', async () => {
    const stale = { HYPERSKELETON_ENTRY_0: 'SECONDS=of another', HYPERSKELETON_ENTRY_1: 'PS4=of another' };
    const seen = await seenWith({ ...stale, IFS: 'mine' });
    expect(seen).toMatchObject({ IFS: 'mine' });
    expect(seen).not.toHaveProperty('SECONDS');
    expect(seen).not.toHaveProperty('PS4');
  });

  it('takes an environment above half of what the kernel does, so does not double it', () => {
    const env: Record<string, string> = { PATH };
    for (let at = 0; at < 12; at++) env[`LARGE_${at}`] = 'x'.repeat(100_000);
    const { status, stderr } = spawnSync(BINARY, ['--version'], { env, encoding: 'utf8' });
    expect([status, stderr]).toEqual([0, '']);
  });
});
