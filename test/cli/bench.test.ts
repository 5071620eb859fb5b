import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, it, vi } from 'vitest';
import { bench } from '../../src/cli/bench.js';

afterEach(() => vi.restoreAllMocks());

it('an installation without the harness says so, and where there is one', async () => {
  const home = mkdtempSync(join(tmpdir(), 'hyperskeleton-home-'));
  let said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
  try {
    expect(await bench([], pathToFileURL(`${home}/`))).toBe(2);
    expect(said).toMatch(/has the server only.*clone of the project:\nnpm ci && npm run bench/);
  } finally {
    rmSync(home, { recursive: true });
  }
});
