import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { elfFacts, readHead } from '../action/executable.js';
import { environmentObject, variableOf } from '../process/environment-object.js';
import { CONFINE, type Confinement } from '../process/rights.js';

/** What a compiler may print; it is an error text. */
const LONGEST_OUTPUT_BYTES = 1024 * 1024;

/** A compilation as it is to be run (D-11). */
export interface Compilation {
  readonly compiler: string;
  readonly main: string;
  readonly sourceFolder: string;
  readonly binFolder: string;
  /** Entries `NAME=value`: what the action will have. */
  readonly environment: readonly Buffer[];
  readonly timeoutMs: number;
  /** What takes rights away from it; undefined: nothing does. */
  readonly confinement: Confinement | undefined;
}

/** Whether an upload is a program already: an ELF file or a script with an interpreter. */
export function isProgram(path: string): boolean {
  const head = readHead(path);
  return head !== undefined && (head.toString('latin1', 0, 2) === '#!' || elfFacts(head) !== undefined);
}

/**
 * Runs `COMPILER main src bin` (D-11). Whatever it prints is the reason why there is no action.
 *
 * @returns undefined where it was silent and successful
 */
export function compile(compilation: Compilation): Promise<string | undefined> {
  const { compiler, main, sourceFolder, binFolder, environment, timeoutMs, confinement } = compilation;
  const env = environmentObject([['PATH', process.env.PATH ?? ''], ...environment.map(variableOf)]);
  const options = {
    env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: LONGEST_OUTPUT_BYTES,
  } as const;
  return new Promise((resolve) => {
    const [program, before] = startOf(compiler, env.PATH ?? '', confinement);
    execFile(program, [...before, main, sourceFolder, binFolder], options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (output !== '') resolve(output);
      else if (error === null) resolve(undefined);
      else if (error.killed) resolve(`the compiler took longer than ${timeoutMs} milliseconds`);
      else resolve(typeof error.code === 'number' ? `exit status ${error.code}` : error.message);
    });
  });
}

/** No descriptor of the compiler's: what the helper can't execute shows by its exit status. */
const NOBODY_TOLD = '3';

/** The helper executes a path, and looks for nothing. */
function startOf(
  compiler: string,
  path: string,
  confinement: Confinement | undefined,
): readonly [program: string, before: readonly string[]] {
  if (confinement === undefined) return [compiler, []];
  const places = compiler.includes('/')
    ? [compiler]
    : path.split(':').map((folder) => join(folder, compiler));
  return [
    confinement.path,
    [CONFINE, confinement.text, NOBODY_TOLD, places.find((place) => existsSync(place)) ?? compiler],
  ];
}
