import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The exit status after an interruption. */
export const STOPPED_BY_SIGNAL = 130;
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

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Makes a signal end the program the way a normal end does. */
export function endOnSignals(): void {
  process.once('exit', undoAll);
  for (const signal of SIGNALS) process.once(signal, () => process.exit(STOPPED_BY_SIGNAL));
}

/** Makes the first signal abort what the answer is given to, and a second one end the program at once. */
export function abortOnSignals(): AbortSignal {
  process.once('exit', undoAll);
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(STOPPED_BY_SIGNAL);
    controller.abort();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return controller.signal;
}

function undoAll(): void {
  // The newest first: processes end before the folder they use goes.
  for (const undo of [...pending].reverse()) undo();
}
