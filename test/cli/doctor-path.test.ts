import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { script, zipOf } from '../support/archives.js';
import { file } from '../support/repository.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-path-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Report {
  readonly ok: boolean;
  readonly findings: readonly { readonly check: string; readonly ok: boolean; readonly reason?: string }[];
}

function run(...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(file('bin/hyperskeleton'), args, {
    encoding: 'utf8',
    cwd: folder,
  });
  return { status, stdout, stderr };
}

function report(path: string): { status: number | null; report: Report } {
  const { status, stdout } = run('doctor', path, '--json');
  return { status, report: JSON.parse(stdout) as Report };
}

function write(name: string, content: string | Buffer, mode = 0o755): string {
  const path = join(folder, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content, { mode });
  return path;
}

describe('hyperskeleton doctor PATH', () => {
  it('looks at a script: it unpacks, starts, and has a template; it is not run', () => {
    write('good/exec', `#!/bin/sh\n: > ${join(folder, 'ran')}\necho "{}"\n`, 0o644);
    const { status, stdout } = run('doctor', 'good');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^archive +ok: .*\nstart +ok: a script for \/bin\/sh\n/);
    expect(existsSync(join(folder, 'ran'))).toBe(false);
  });

  it.each<[string, string | Buffer, string]>([
    ['Windows line breaks', '#!/bin/sh\r\necho "{}"\r\n', 'crlf'],
    ['a missing interpreter', '#!/nowhere/python\n', 'interpreter_missing'],
    ['no #! line', 'echo "{}"\n', 'unknown_format'],
    ['a byte order mark', '\ufeff#!/bin/sh\n', 'byte_order_mark'],
  ])('%s: an error with its reason', (_what, content, reason) => {
    const { status, report: found } = report(write('exec', content));
    expect(status).toBe(1);
    expect(found).toMatchObject({ ok: false });
    expect(found.findings.at(-1)).toMatchObject({ check: 'start', ok: false, reason });
  });

  it('a program of another architecture, and one whose loader or library is missing', () => {
    const source = write('main.c', 'int answer(void); int main(void) { return answer(); }\n');
    const library = write('answer.c', 'int answer(void) { return 0; }\n');
    const gcc = (...args: string[]): void => {
      execFileSync('gcc', args, { cwd: folder });
    };
    gcc('-shared', '-fPIC', '-o', 'libanswer.so', library);
    gcc('-o', 'linked', source, '-L.', '-lanswer');
    expect(report('linked').report.findings.at(-1)).toMatchObject({ reason: 'libraries_missing' });
    expect(run('doctor', 'linked').stdout).toContain('libanswer.so');
    gcc('-o', 'musl', source, '-L.', '-lanswer', '-Wl,--dynamic-linker=/lib/ld-nowhere.so.1');
    expect(report('musl').report.findings.at(-1)).toMatchObject({ reason: 'loader_missing' });
    const foreign = readFileSync(join(folder, 'linked'));
    foreign.writeUInt16LE(243, 18);
    write('foreign', foreign);
    expect(report('foreign').report.findings.at(-1)).toMatchObject({ reason: 'wrong_architecture' });
    gcc('-static', '-o', 'static', source, library);
    expect(report('static').status).toBe(0);
  });

  it('the layout of an archive', () => {
    const nested = write('nested.zip', zipOf([script('mine/exec', 'echo "{}"')]));
    expect(report(nested).report.findings).toEqual([
      expect.objectContaining({ check: 'archive', ok: false, reason: 'init_exec_misplaced' }),
    ]);
    const none = write('none.zip', zipOf([script('main.sh', 'echo "{}"')]));
    expect(report(none).report.findings).toEqual([expect.objectContaining({ reason: 'no_exec' })]);
    const broken = write('broken.zip', 'PK\x03\x04broken');
    expect(report(broken).report.findings).toEqual([expect.objectContaining({ reason: 'init_bad_archive' })]);
  });
});

describe('hyperskeleton pack', () => {
  it('says what it packed and what it left out', () => {
    write('mine/exec', '#!/bin/sh\necho "{}"\n');
    for (const name of ['.env', '.git/config', 'notes.txt', '.hyperskeletonignore'])
      write(`mine/${name}`, '*.txt\n', 0o644);
    const { status, stdout } = run('pack', 'mine', '-o', 'mine.zip');
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /^mine\.zip: \d+ bytes, 1 files: exec; left out: \.env, \.git, \.hyperskeletonignore, notes\.txt\n$/,
    );
    expect(readFileSync(join(folder, 'mine.zip')).includes('notes')).toBe(false);
  });

  it('refuses an action without exec, unless an image brings one', () => {
    write('data/main.py', 'x', 0o644);
    expect(run('pack', 'data', '-o', 'data.zip')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('no_exec'),
    });
    expect(existsSync(join(folder, 'data.zip'))).toBe(false);
    expect(run('pack', 'data', '-o', 'data.zip', '--without-exec').status).toBe(0);
  });

  it('--check refuses what can’t be started', () => {
    const path = write('bad', '#!/nowhere/python\n');
    expect(run('pack', path, '-o', 'bad.zip').status).toBe(0);
    expect(run('pack', path, '-o', 'bad.zip', '--check')).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('interpreter_missing'),
    });
  });
});
