import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('the linter refuses a promise that nobody waits for', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-lint-'));
  try {
    copyFileSync(join(ROOT, 'test/fixtures/lint/floating.ts'), join(folder, 'floating.ts'));
    const { linter } = JSON.parse(readFileSync(join(ROOT, 'biome.json'), 'utf8')) as { linter: unknown };
    writeFileSync(join(folder, 'biome.json'), JSON.stringify({ linter }));
    const biome = join(ROOT, 'node_modules/.bin/biome');
    const { status, stdout, stderr } = spawnSync(biome, ['lint', 'floating.ts'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(`${stdout}${stderr}`).toContain('noFloatingPromises');
    expect(status).not.toBe(0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
