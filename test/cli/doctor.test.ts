import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { doctor } from '../../src/cli/doctor.js';
import { file } from '../support/repository.js';

const ENGINES = ['forkserver', 'posix_spawn', 'child_process'] as const;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-test-doctor-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

async function ask(engine: 'auto' | (typeof ENGINES)[number]): Promise<{ status: number; text: string }> {
  let text = '';
  const status = await doctor({
    engine,
    http: 'auto',
    actionRoot: folder,
    seconds: 0.02,
    write: (part) => {
      text += part;
    },
  });
  return { status, text };
}

describe('hyperskeleton doctor', () => {
  it.each(ENGINES)('measures each engine, and says that %s is used', async (engine) => {
    const { status, text } = await ask(engine);
    expect(status).toBe(0);
    for (const name of ENGINES)
      expect(text).toMatch(new RegExp(`^${name} +works: \\d+ runs/s .* [\\d.]+ ms each(;|$)`, 'm'));
    expect(text).toContain(`HYPERSKELETON_ENGINE=${engine}: ${engine} is used`);
    expect(text).not.toContain('refused');
  });

  it('tells where a template of the own action stands, without running it', async () => {
    const exec = join(folder, 'exec');
    expect((await ask('auto')).text).toContain(`${exec}: is not there`);
    writeFileSync(exec, `#!/bin/sh\n: > ${join(folder, 'ran')}\n`);
    chmodSync(exec, 0o755);
    expect((await ask('auto')).text).toMatch(/exec: its template takes [\d.]+ ms and stands before its own/);
    expect(readdirSync(folder)).toEqual(['exec']);
  });

  const restricts = spawnSync('unshare', [
    '-p',
    '-f',
    '--mount-proc',
    'sh',
    '-c',
    'echo 2 >/proc/sys/vm/memfd_noexec',
  ]);
  it.runIf(restricts.status === 0)('says which setting of the kernel forbids programs in memory', () => {
    const command = `echo 2 >/proc/sys/vm/memfd_noexec; exec ${file('bin/hyperskeleton')} doctor --action-root ${folder}`;
    const text = execFileSync('unshare', ['-p', '-f', '--mount-proc', 'sh', '-c', command], {
      encoding: 'utf8',
    });
    expect(text).toMatch(/^forkserver +no: the helper can't be started: EACCES \(.*vm\.memfd_noexec\)$/m);
  });

  const mounts = spawnSync('unshare', ['-m', 'true']).status === 0;
  it.runIf(mounts)('says what works where nothing can be executed from a folder of its own', () => {
    const command = `mount -t tmpfs -o noexec tmpfs ${folder} && TMPDIR=${folder} exec ${file('bin/hyperskeleton')} doctor --action-root ${folder}`;
    const text = execFileSync('unshare', ['-m', 'sh', '-c', command], { encoding: 'utf8' });
    for (const name of ENGINES) expect(text).toMatch(new RegExp(`^${name} +works$`, 'm'));
    expect(text).toContain(`Nothing is measured: no program can be put into ${folder} or ${folder}`);
    expect(text).toContain('HYPERSKELETON_ENGINE=auto: forkserver is used');
  });
});
