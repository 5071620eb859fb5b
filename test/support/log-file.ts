import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

const folders: string[] = [];

afterAll(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

/** A path for a log, removed when the test's file is through. */
export function logFile(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-log-'));
  folders.push(folder);
  return join(folder, 'log');
}
