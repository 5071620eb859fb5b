import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const STOPPED_BY_SIGNAL = 130;
const pending = new Set<() => void>();

/** Registers what must be undone however the program ends; the answer undoes it now, once. */
export function onEnd(undo: () => void): () => void {
  const once = (): void => {
    if (pending.delete(once)) undo();
  };
  pending.add(once);
  return once;
}

/** A private folder that is gone when the program is. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-bench-'));
  onEnd(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Makes a signal end the program the way a normal end does. */
export function endOnSignals(): void {
  process.once('exit', undoAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => process.exit(STOPPED_BY_SIGNAL));
  }
}

function undoAll(): void {
  // The newest first: processes end before the folder they use goes.
  for (const undo of [...pending].reverse()) undo();
}
