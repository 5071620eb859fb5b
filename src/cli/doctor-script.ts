import { accessSync, constants, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The script that engines are measured with, in a folder of its own. */
export interface MeasuredScript {
  readonly exec: string;
  readonly folder: string;
}

const TEXT = '#!/bin/sh\nread -r line\necho "$line"\n';

/**
 * Puts the script into the first of the folders that can be written and executed from: in a container /tmp is often
 * mounted noexec.
 *
 * @returns undefined where none of them can; else the caller removes its folder
 */
export function writeScript(parents: readonly string[]): MeasuredScript | undefined {
  for (const parent of parents) {
    const script = tryWriteScript(parent);
    if (script !== undefined) return script;
  }
  return undefined;
}

function tryWriteScript(parent: string): MeasuredScript | undefined {
  let folder: string | undefined;
  try {
    folder = mkdtempSync(join(parent, '.hyperskeleton-doctor-'));
    const exec = join(folder, 'exec');
    writeFileSync(exec, TEXT, { mode: 0o755 });
    // Of a file on a mount that is noexec the kernel says so here (access(2)).
    accessSync(exec, constants.X_OK);
    return { exec, folder };
  } catch {
    if (folder !== undefined) rmSync(folder, { recursive: true });
    return undefined;
  }
}
