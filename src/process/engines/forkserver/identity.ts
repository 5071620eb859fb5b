import { accessSync, constants } from 'node:fs';
import { interpreterOf, readHead } from '../../../action/executable.js';
import { attributeSize, statx } from './native.js';
import { Unsuitable } from './refusal.js';

const AT_FDCWD = -100;
const BASIC_STATS = 0x7ff;
const RESULT_BYTES = 256;
/** Parts of struct statx: owner, mode, inode, size; ctime and mtime; device. */
const PARTS = [
  [20, 48],
  [96, 128],
  [136, 144],
] as const;
const MODE_AT = 28;
const INODE_AT = 32;
const DEVICE_AT = 136;
const SET_ID = 0o6000;
/** Scripts whose interpreter is a script: the kernel follows that many (execve(2)). */
const DEEPEST_SCRIPT = 5;
/** How old what is known of libraries may be. */
const RECHECK_MS = 1000;

const result = Buffer.alloc(RESULT_BYTES);

/** One file as it was: any change of content, owner, mode or place shows. */
export class File {
  readonly path: string;
  readonly #path: Buffer;
  readonly #before: Buffer;

  /** @throws Unsuitable when there is no such file */
  constructor(path: string) {
    this.path = path;
    this.#path = Buffer.from(`${path}\0`);
    if (!stat(this.#path)) throw new Unsuitable(`${path} can't be looked at`);
    this.#before = Buffer.from(result);
  }

  get mode(): number {
    return this.#before.readUInt16LE(MODE_AT);
  }

  unchanged(): boolean {
    if (!stat(this.#path)) return false;
    return PARTS.every(([from, to]) => this.#before.compare(result, from, to, from, to) === 0);
  }

  /** Whether the other path leads to the very same file. */
  isAlso(path: string): boolean {
    if (!stat(Buffer.from(`${path}\0`))) return false;
    return [INODE_AT, DEVICE_AT].every((at) => this.#before.compare(result, at, at + 8, at, at + 8) === 0);
  }
}

function stat(path: Buffer): boolean {
  return statx(AT_FDCWD, path, 0, BASIC_STATS, result) === 0;
}

/**
 * What a template was made of: the executable, the interpreters of a script, the loader and libraries. A template is
 * used only while all of it is what it was.
 */
export class Identity {
  /** The executable, then its interpreters. */
  readonly #executables: readonly File[];
  #libraries: readonly File[] = [];
  #checkedMs = 0;

  /** @throws Unsuitable for what the kernel starts with other rights, or what nobody may look into */
  constructor(exec: string) {
    this.#executables = chainOf(exec).map((path) => new File(path));
    for (const { path, mode } of this.#executables) {
      if ((mode & SET_ID) !== 0) throw new Unsuitable(`${path} is set-user-ID or set-group-ID`);
      if (attributeSize(path, 'security.capability', null, 0) >= 0)
        throw new Unsuitable(`${path} has file capabilities`);
      try {
        accessSync(path, constants.R_OK);
      } catch {
        throw new Unsuitable(`${path} can't be read`);
      }
    }
  }

  /**
   * Adds what the started program was loaded with.
   *
   * @throws Unsuitable when it is not the executable that was looked at, or that has changed since
   */
  confirm(pid: number, libraries: readonly string[]): void {
    const program = this.#executables.at(-1) as File;
    if (!program.isAlso(`/proc/${pid}/exe`) || !this.#executables.every((file) => file.unchanged()))
      throw new Unsuitable(`${program.path} changed while it was started`);
    this.#libraries = libraries.map((path) => new File(path));
    this.#checkedMs = performance.now();
  }

  /** Cheap enough for each activation: a system call per executable, and once a second one per library. */
  unchanged(): boolean {
    for (const file of this.#executables) if (!file.unchanged()) return false;
    const now = performance.now();
    if (now - this.#checkedMs < RECHECK_MS) return true;
    this.#checkedMs = now;
    return this.#libraries.every((file) => file.unchanged());
  }
}

function chainOf(exec: string): string[] {
  const paths = [exec];
  for (let path: string | undefined = exec; path !== undefined && paths.length <= DEEPEST_SCRIPT; ) {
    const head = readHead(path);
    if (head === undefined) throw new Unsuitable(`${path} can't be read`);
    path = head.toString('latin1', 0, 2) === '#!' ? interpreterOf(head) : undefined;
    if (path !== undefined) paths.push(path);
  }
  return paths;
}
