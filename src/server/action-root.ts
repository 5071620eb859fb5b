import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileScope } from '../os/file-scope.js';

/** The folder of the action: the one that is set, or a private one that lives as long as this process. */
export function actionRootFor(configured: string | undefined, scope: FileScope): string {
  if (configured !== undefined) return configured;
  const temporary = mkdtempSync(join(tmpdir(), 'hyperskeleton-'));
  process.on('exit', () => scope(() => rmSync(temporary, { recursive: true, force: true })));
  return temporary;
}
