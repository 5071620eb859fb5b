import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const SCRIPT = fileURLToPath(new URL('../../scripts/check-references.mjs', import.meta.url));

function check(folder: string): { status: number | null; problems: string[] } {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, folder], { encoding: 'utf8' });
  return { status, problems: stderr.split('\n').filter((line) => line !== '') };
}

describe('the check of references', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-references-'));
    execFileSync('git', ['init', '-q'], { cwd: folder });
    write(
      'docs/reference/contract.md',
      '| rule | what |\n|---|---|\n| C-RUN-14 | A new process for each run. |\n',
    );
    write('docs/decisions/0001-one.md', '# One\n');
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  function write(path: string, text: string): void {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }

  it.each([
    ['a rule of the contract', 'C-RUN-14'],
    ['a decision', 'docs/decisions/0001-one.md'],
    ['a section of an RFC', 'RFC 9112, section 9.6'],
    ['a section of another specification', '(Fetch, section 3.2)'],
  ])('accepts %s', (_what, text) => {
    write('src/a.ts', `// See ${text}.\n`);
    expect(check(folder)).toEqual({ status: 0, problems: [] });
  });

  it.each([
    ['a rule that the contract does not have', 'C-RUN-99', 'C-RUN-99'],
    ['a decision that is not there', 'docs/decisions/0099-none.md', '0099-none.md'],
    ['a decision by a bare number', 'D-14', 'D-14'],
    ['a numbered section of the contract', 'POST /run (section 3)', 'section 3'],
  ])('refuses %s, with file and line', (_what, text, named) => {
    write('src/a.ts', `\n// See ${text}.\n`);
    const { status, problems } = check(folder);
    expect(status).toBe(1);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(/^src\/a\.ts:2: /);
    expect(problems[0]).toContain(named);
  });
});
