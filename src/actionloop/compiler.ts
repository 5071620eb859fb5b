import { execFile } from 'node:child_process';
import { elfFacts, readHead } from '../action/executable.js';
import { environmentObject, variableOf } from '../process/environment-object.js';

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
  const { compiler, main, sourceFolder, binFolder, environment, timeoutMs } = compilation;
  const env = environmentObject([['PATH', process.env.PATH ?? ''], ...environment.map(variableOf)]);
  const options = {
    env,
    timeout: timeoutMs,
    killSignal: 'SIGKILL',
    maxBuffer: LONGEST_OUTPUT_BYTES,
  } as const;
  return new Promise((resolve) => {
    execFile(compiler, [main, sourceFolder, binFolder], options, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`;
      if (output !== '') resolve(output);
      else if (error === null) resolve(undefined);
      else if (error.killed) resolve(`the compiler took longer than ${timeoutMs} milliseconds`);
      else resolve(typeof error.code === 'number' ? `exit status ${error.code}` : error.message);
    });
  });
}
