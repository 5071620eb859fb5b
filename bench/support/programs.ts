import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { C_SOURCES } from './paths.js';

const execute = promisify(execFile);

/** The paths of the compiled C programs. */
export interface Programs {
  readonly hello: string;
  /** The same with the C library as a shared one. */
  readonly helloDynamic: string;
  readonly sleep: string;
  readonly flood: string;
  readonly spawnLoop: string;
}

/** Compiles the C programs into the folder. All but one are static: the loader's work is no part of a comparison. */
export async function buildPrograms(folder: string): Promise<Programs> {
  const build = async (name: string, linking = '-static'): Promise<string> => {
    const program = join(folder, `${name}${linking}`);
    const flags = ['-O2', '-Wall', '-Wextra', '-pthread', linking];
    await execute('gcc', [...flags, '-o', program, join(C_SOURCES, `${name}.c`)]);
    return program;
  };
  return {
    hello: await build('hello'),
    helloDynamic: await build('hello', '-pie'),
    sleep: await build('sleep'),
    flood: await build('flood'),
    spawnLoop: await build('spawn-loop'),
  };
}
