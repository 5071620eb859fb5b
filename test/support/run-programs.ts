import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const execute = promisify(execFile);
const SOURCES = fileURLToPath(new URL('../fixtures/actions/', import.meta.url));

/**
 * Compiles a C program of fixtures/actions, once for all test files: the result is kept by the hash of its
 * source and flags.
 */
export async function compileAction(name: string, flags: readonly string[] = ['-static']): Promise<string> {
  const source = join(SOURCES, `${name}.c`);
  const hash = createHash('sha256').update(readFileSync(source)).update(flags.join('\0')).digest('hex');
  const cache = join(tmpdir(), `hyperskeleton-fixtures-${process.getuid?.() ?? 0}`);
  const program = join(cache, `${name}-${hash.slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true, mode: 0o700 });
  const build = mkdtempSync(join(cache, 'build-'));
  await execute('gcc', ['-O1', '-Wall', '-Wextra', '-o', join(build, name), source, ...flags]);
  // Renamed into place: another test file may be compiling the same.
  renameSync(join(build, name), program);
  rmSync(build, { recursive: true });
  return program;
}

/** What the program `probe` reports of itself. */
export interface Probe {
  readonly status: Readonly<Record<string, string>>;
  /** Signals whose disposition is not the default. */
  readonly notDefault: readonly number[];
  readonly descriptors: readonly { readonly fd: number; readonly nonBlocking: boolean }[];
  readonly openFilesSoft: number;
  readonly umask: number;
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly session: number;
  readonly argv: readonly Buffer[];
  /** `NAME=value`, in order. */
  readonly environment: readonly Buffer[];
  readonly cwd: string;
  readonly stdin: Buffer;
  /** Whether reading ended at the end of file, not with an error. */
  readonly stdinEnded: boolean;
}

/** Reads the probe's report, the body of a 200. */
export function readProbe(body: Buffer): Probe {
  const raw = JSON.parse(body.toString('utf8')) as Omit<Probe, 'argv' | 'environment' | 'cwd' | 'stdin'> & {
    argv: string[];
    environment: string[];
    cwd: string;
    stdin: string;
  };
  const bytes = (text: string): Buffer => Buffer.from(text, 'hex');
  return {
    ...raw,
    argv: raw.argv.map(bytes),
    environment: raw.environment.map(bytes),
    cwd: bytes(raw.cwd).toString('utf8'),
    stdin: bytes(raw.stdin),
  };
}

/** The environment as a map, as most programs see it. */
export function variablesOf(probe: Probe): Map<string, string> {
  return new Map(
    probe.environment.map((entry) => {
      const text = entry.toString('utf8');
      const equals = text.indexOf('=');
      return [text.slice(0, equals), text.slice(equals + 1)];
    }),
  );
}
