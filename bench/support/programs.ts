import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
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
  readonly work: string;
  /** The same work, for ActionLoop. */
  readonly workLoop: string;
  /** Answers its arguments and counts its runs. */
  readonly token: string;
}

const FLAGS = ['-O2', '-Wall', '-Wextra', '-pthread'] as const;

/**
 * Compiles the C programs into the folder. All but one are static: the loader's work is no part of a comparison.
 *
 * @throws Error that names what is missing, or what the compiler says
 */
export async function buildPrograms(folder: string): Promise<Programs> {
  const build = async (source: string, name = source, ...flags: string[]): Promise<string> => {
    const program = join(folder, name);
    const linking = flags.includes('-pie') ? [] : ['-static'];
    await compile([...FLAGS, ...linking, ...flags, '-o', program, join(C_SOURCES, `${source}.c`)]);
    return program;
  };
  const [hello, helloDynamic, sleep, flood, spawnLoop, work, workLoop, token] = await Promise.all([
    build('hello'),
    build('hello', 'hello-dynamic', '-pie'),
    build('sleep'),
    build('flood'),
    build('spawn-loop'),
    build('work'),
    build('work', 'work-loop', '-DACTIONLOOP'),
    build('token'),
  ]);
  return { hello, helloDynamic, sleep, flood, spawnLoop, work, workLoop, token };
}

async function compile(options: readonly string[]): Promise<void> {
  if (!existsSync(C_SOURCES)) throw new Error(`the C programs are not here: ${C_SOURCES} is missing`);
  try {
    await execute('gcc', options);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw missing
      ? new Error('gcc is not installed: the programs that are measured are built with it (gcc, libc6-dev)')
      : error;
  }
}
