import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Skip } from '../../conformance/check.js';

const SOURCE = '#include <stdio.h>\nint main(void) { puts("{\\"by\\":\\"c\\"}"); return 0; }\n';

/**
 * A program of one file, as an action.
 *
 * @throws Skip where this machine has no compiler
 */
export function staticProgram(): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-check-c-'));
  try {
    const program = join(folder, 'program');
    const flags = ['-static', '-O2', '-x', 'c', '-', '-o', program];
    const { status } = spawnSync('gcc', flags, { input: SOURCE });
    if (status !== 0) throw new Skip('there is no gcc that links statically');
    return readFileSync(program);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
