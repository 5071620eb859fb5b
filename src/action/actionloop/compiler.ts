import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { environmentObject, variableOf } from '../../os/environment-object.js';
import { readElfInfo, readHead } from '../../os/executable.js';
import { CONFINE, type Confinement } from '../../os/rights.js';
import type { InitTimeLimit } from '../init-time-limit.js';

/** What a compiler may print; it is an error text. What comes beyond is dropped. */
const MAX_OUTPUT_BYTES = 1024 * 1024;

/** A compilation as it is to be run (C-AL-02). */
export interface Compilation {
  readonly compiler: string;
  readonly main: string;
  readonly sourceFolder: string;
  readonly binFolder: string;
  /** Entries `NAME=value`: what the action will have. */
  readonly environment: readonly Buffer[];
  readonly timeLimit: InitTimeLimit;
  /** What takes rights away from it; undefined: nothing does. */
  readonly confinement: Confinement | undefined;
}

/** Whether an upload is a program already: an ELF file or a script with an interpreter. */
export function isProgram(path: string): boolean {
  const head = readHead(path);
  return head !== undefined && (head.toString('latin1', 0, 2) === '#!' || readElfInfo(head) !== undefined);
}

/**
 * Runs `COMPILER main src bin` (C-AL-02) in a process group of its own. Whatever it prints is the reason why there is
 * no action.
 *
 * @returns undefined where it was silent and successful
 * @throws InitRefusedError where the init had to end; the group has been killed then
 */
export function compile(compilation: Compilation): Promise<string | undefined> {
  const { compiler, main, sourceFolder, binFolder, timeLimit, confinement } = compilation;
  const env = environmentObject([
    ['PATH', process.env.PATH ?? ''],
    ...compilation.environment.map(variableOf),
  ]);
  const [program, before] = compilerCommand(compiler, env.PATH ?? '', confinement);
  const child = spawn(program, [...before, main, sourceFolder, binFolder], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = [new CapturedOutput(), new CapturedOutput()] as const;
  child.stdout.on('data', (chunk: Buffer) => output[0].take(chunk));
  child.stderr.on('data', (chunk: Buffer) => output[1].take(chunk));
  return new Promise((resolve, reject) => {
    const { signal } = timeLimit;
    const onAbort = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
      // What has left the group may hold the pipes open for ever.
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    child.once('error', (error) => resolve(error.message));
    child.once('close', (status, killedBy) => {
      signal.removeEventListener('abort', onAbort);
      const text = `${output[0].text}${output[1].text}`;
      const ending = killedBy === null ? `exit status ${status}` : `killed by ${killedBy}`;
      resolve(text !== '' ? text : status === 0 ? undefined : ending);
    });
  });
}

/** No descriptor of the compiler's: what the helper can't execute shows by its exit status. */
const NO_REPORT_DESCRIPTOR = '3';

/** The helper executes a path, and looks for nothing. */
function compilerCommand(
  compiler: string,
  path: string,
  confinement: Confinement | undefined,
): readonly [program: string, before: readonly string[]] {
  if (confinement === undefined) return [compiler, []];
  const places = compiler.includes('/')
    ? [compiler]
    : path.split(':').map((folder) => join(folder, compiler));
  const found = places.find((place) => existsSync(place)) ?? compiler;
  return [confinement.path, [CONFINE, confinement.text, NO_REPORT_DESCRIPTOR, found]];
}

class CapturedOutput {
  readonly #chunks: Buffer[] = [];
  #bytes = 0;

  take(chunk: Buffer): void {
    const kept = chunk.subarray(0, MAX_OUTPUT_BYTES - this.#bytes);
    this.#bytes += kept.length;
    if (kept.length > 0) this.#chunks.push(kept);
  }

  get text(): string {
    return Buffer.concat(this.#chunks).toString('utf8');
  }
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
