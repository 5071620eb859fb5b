import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The C programs of the benchmarks, built into a folder. */
export interface Programs {
  readonly spawnLoop: string;
  readonly hello: string;
}

/** The project's folder, from the compiled file. */
export const PROJECT = fileURLToPath(new URL('../../../', import.meta.url));

/** Builds the C programs with gcc. */
export function buildPrograms(folder: string): Programs {
  const build = (name: string, ...flags: string[]): string => {
    const program = join(folder, name);
    execFileSync('gcc', ['-O2', '-Wall', '-o', program, join(PROJECT, 'bench/c', `${name}.c`), ...flags]);
    return program;
  };
  return { spawnLoop: build('spawn-loop', '-pthread'), hello: build('hello', '-static') };
}
