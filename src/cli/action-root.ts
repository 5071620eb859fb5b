import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The folder of the action: the one that is set, or a private one that lives as long as this process. */
export function actionRootFor(configured: string | undefined): string {
  if (configured !== undefined) return configured;
  const temporary = mkdtempSync(join(tmpdir(), 'hyperskeleton-'));
  process.on('exit', () => rmSync(temporary, { recursive: true, force: true }));
  return temporary;
}
