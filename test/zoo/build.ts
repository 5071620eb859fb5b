import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SOURCES = fileURLToPath(new URL('./programs/', import.meta.url));
const CACHE = join(tmpdir(), `hyperskeleton-zoo-${process.getuid?.() ?? 0}`);

/** How each language is compiled, into the file behind the arguments. */
const COMPILERS: Readonly<Record<string, readonly string[]>> = {
  c: ['gcc', '-O1', '-w', '-pthread'],
  cc: ['g++', '-O1', '-w', '-pthread'],
  go: ['go', 'build'],
  rs: ['rustc', '-O'],
};

/** Whether a program is on the PATH. */
export async function isHere(program: string): Promise<boolean> {
  try {
    await execute('sh', ['-c', `command -v ${program}`]);
    return true;
  } catch {
    return false;
  }
}

/**
 * Compiles a program of the zoo, once for all runs of the tests.
 *
 * @returns its path; undefined where its compiler is not here
 */
export async function buildProgram(
  source: string,
  flags: readonly string[] = [],
): Promise<string | undefined> {
  const path = join(SOURCES, source);
  const [compiler = '', ...fixed] = COMPILERS[source.split('.').at(-1) ?? ''] ?? [];
  if (!(await isHere(compiler))) return undefined;
  const hash = createHash('sha256').update(readFileSync(path)).update(flags.join('\0')).digest('hex');
  const program = join(CACHE, `${source.replace('.', '-')}-${hash.slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(CACHE, { recursive: true, mode: 0o700 });
  const build = mkdtempSync(join(CACHE, 'build-'));
  const command = [...fixed, ...flags, '-o', join(build, 'program'), path];
  await execute(compiler, command, { env: { ...process.env, GOFLAGS: '-mod=mod', GO111MODULE: 'off' } });
  // Renamed into place: another test file may be compiling the same.
  renameSync(join(build, 'program'), program);
  rmSync(build, { recursive: true });
  return program;
}
