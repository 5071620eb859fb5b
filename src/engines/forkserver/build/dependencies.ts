import { accessSync, constants, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { interpreterOf, readHead } from '../../../os/executable.js';
import { FilesChangedError, UnsupportedError } from '../../errors.js';
import { attributeSize } from '../../native-code/libc-calls.js';
import { FileFingerprint, type FileFingerprintSnapshot } from './file-fingerprint.js';
import { InheritedAttributes, type InheritedAttributesSnapshot } from './inherited-attributes.js';

const SET_ID = 0o6000;
/** Scripts whose interpreter is a script: the kernel follows that many (execve(2)). */
const MAX_SCRIPT_DEPTH = 5;
/** How old what is known of the system's own files may be, and what is known of the server itself. */
const RECHECK_MS = 100;
const RECHECK_SERVER_MS = 1000;
/** Where only whoever administers the system puts files. */
const SYSTEM_PATHS = /^\/(usr|lib\w*|etc|bin|sbin)(\/|$)/;
/** So many places outside of the system are looked at for each run. */
const MAX_FILES_PER_RUN = 64;

/** What is known of an identity, for another thread. */
export interface TemplateDependenciesSnapshot {
  readonly checkedPerRun: readonly FileFingerprintSnapshot[];
  readonly checkedPeriodically: readonly FileFingerprintSnapshot[];
  readonly inherited: InheritedAttributesSnapshot;
}

/**
 * The files and attributes that a template depends on: the executable, the interpreters of a script, the action folder,
 * every path at which the loader looked for something, found or not, the links on the way to all of them, and what the
 * server passes on to its processes. A template is used only while none of them has changed.
 */
export class TemplateDependencies {
  readonly #checkedPerRun: readonly FileFingerprint[];
  readonly #checkedPeriodically: readonly FileFingerprint[];
  readonly #inherited: InheritedAttributes;
  #checkedMs = performance.now();
  #checkedServerMs = performance.now();

  /**
   * @param checkedPerRun looked at for each run
   * @param checkedPeriodically looked at ten times a second
   */
  constructor(
    checkedPerRun: readonly FileFingerprint[],
    checkedPeriodically: readonly FileFingerprint[],
    inherited: InheritedAttributes,
  ) {
    this.#checkedPerRun = checkedPerRun;
    this.#checkedPeriodically = checkedPeriodically;
    this.#inherited = inherited;
  }

  /** As another thread has found it. */
  static fromSnapshot({
    checkedPerRun,
    checkedPeriodically,
    inherited,
  }: TemplateDependenciesSnapshot): TemplateDependencies {
    return new TemplateDependencies(
      checkedPerRun.map(FileFingerprint.fromSnapshot),
      checkedPeriodically.map(FileFingerprint.fromSnapshot),
      new InheritedAttributes(inherited),
    );
  }

  get snapshot(): TemplateDependenciesSnapshot {
    const facts = (places: readonly FileFingerprint[]): FileFingerprintSnapshot[] =>
      places.map((place) => place.snapshot);
    return {
      checkedPerRun: facts(this.#checkedPerRun),
      checkedPeriodically: facts(this.#checkedPeriodically),
      inherited: this.#inherited.snapshot,
    };
  }

  /** Cheap enough for each run: a system call for the executable, one for the folder, and for whatever is near. */
  isUnchanged(): boolean {
    for (const place of this.#checkedPerRun) if (!place.isUnchanged()) return false;
    const now = performance.now();
    if (now - this.#checkedMs < RECHECK_MS) return true;
    this.#checkedMs = now;
    if (!this.#checkedPeriodically.every((place) => place.isUnchanged())) return false;
    if (now - this.#checkedServerMs < RECHECK_SERVER_MS) return true;
    this.#checkedServerMs = now;
    return this.#inherited.isUnchanged();
  }

  /** Invalidates what was checked: the next check covers everything. */
  invalidate(): void {
    this.#checkedMs = Number.NEGATIVE_INFINITY;
    this.#checkedServerMs = Number.NEGATIVE_INFINITY;
  }
}

/** Tracks what a template depends on, from before its start until it is built. */
export class DependencyTracker {
  /** The executable, then its interpreters. */
  readonly #executables: readonly FileFingerprint[];
  readonly #folder: FileFingerprint;
  /** The way to them. */
  readonly #pathDependencies: readonly FileFingerprint[];
  readonly #inherited = new InheritedAttributes();

  /** @throws UnsupportedError for what the kernel starts with other rights, or what nobody may look into */
  constructor(exec: string, folder: string) {
    this.#executables = executableChain(exec, folder);
    this.#folder = new FileFingerprint(folder);
    this.#pathDependencies = pathDependencies(this.#executables, this.#folder);
    for (const { path, mode, exists } of this.#executables) {
      if (!exists || readHead(path) === undefined) throw new UnsupportedError(`${path} can't be read`);
      if ((mode & SET_ID) !== 0) throw new UnsupportedError(`${path} is set-user-ID or set-group-ID`);
      if (attributeSize(path, 'security.capability', null, 0) >= 0)
        throw new UnsupportedError(`${path} has file capabilities`);
      try {
        accessSync(path, constants.R_OK);
      } catch {
        throw new UnsupportedError(`${path} can't be read`);
      }
    }
  }

  /**
   * Adds what the program was loaded with.
   *
   * @param lookedUpFiles the places at which the loader has looked, itself among them
   * @param mapped the files in the program's memory besides its own
   * @throws UnsupportedError when it is not the executable that was looked at, or anything has changed since
   */
  resolve(
    pid: number,
    lookedUpFiles: readonly FileFingerprint[],
    mapped: readonly string[],
  ): TemplateDependencies {
    const program = this.#executables.at(-1) as FileFingerprint;
    const own = [...this.#executables, this.#folder];
    const links = lookedUpFiles.filter(({ exists }) => exists).flatMap(({ path }) => linksOn(path));
    if (
      !program.isAlso(`/proc/${pid}/exe`) ||
      ![...own, ...this.#pathDependencies, ...lookedUpFiles].every((place) => place.isUnchanged())
    )
      throw new FilesChangedError(`${program.path} changed while it was started`);
    const unasked = mapped.find((path) => !lookedUpFiles.some((place) => place.isAlso(path)));
    if (unasked !== undefined) throw new UnsupportedError(`nobody knows how ${unasked} came into its memory`);
    const further = [
      ...this.#pathDependencies,
      ...lookedUpFiles,
      ...distinct(links).map((path) => new FileFingerprint(path, true)),
    ];
    const isNear = ({ path }: FileFingerprint): boolean =>
      !SYSTEM_PATHS.test(path) || path.startsWith(`${this.#folder.path}/`);
    const checkedPerRun = [...own, ...further.filter(isNear)];
    const checkedPeriodically = further.filter((place) => !isNear(place));
    if (checkedPerRun.length > MAX_FILES_PER_RUN)
      throw new UnsupportedError('its loader looks at too many places');
    return new TemplateDependencies(checkedPerRun, checkedPeriodically, this.#inherited);
  }
}

/**
 * The executable and, where that is a script, its interpreters, as far as they can be followed.
 *
 * @param folder from which interpreters are named, for the process begins there
 */
export function executableChain(exec: string, folder: string): FileFingerprint[] {
  const places: FileFingerprint[] = [];
  for (let path: string | undefined = exec; path !== undefined && places.length <= MAX_SCRIPT_DEPTH; ) {
    places.push(new FileFingerprint(path));
    const head = readHead(path);
    const named: string | undefined =
      head?.toString('latin1', 0, 2) === '#!' ? interpreterOf(head) : undefined;
    path = named === undefined ? undefined : resolveFrom(folder, named);
  }
  return places;
}

/** A path as a process in that folder takes it; not normalised, for a link may come before `..`. */
export function resolveFrom(folder: string, path: string): string {
  return path.startsWith('/') ? path : `${folder}/${path}`;
}

/**
 * What else says which file a path leads to: each link on the way, and the folder in which the file is at last. Files of
 * several folders may be one (link(2)), and a process can tell where it was started from (`/proc/self/exe`, `$ORIGIN`).
 */
function pathDependencies(
  executables: readonly FileFingerprint[],
  folder: FileFingerprint,
): FileFingerprint[] {
  const there = executables.filter(({ exists }) => exists).map(({ path }) => path);
  const links = distinct(there.flatMap(linksOn)).map((path) => new FileFingerprint(path, true));
  const folders = distinct(there.flatMap(parentFolderOf)).filter((path) => !folder.isAlso(path));
  return [...links, ...folders.map((path) => new FileFingerprint(path))];
}

/** The folder in which a file is; none where it is in memory only (memfd_create(2)), or gone. */
function parentFolderOf(path: string): string[] {
  try {
    return [dirname(realpathSync.native(path))];
  } catch {
    return [];
  }
}

/** How many links the kernel follows (path_resolution(7)). */
const MAX_LINKS = 40;

/** The links that are followed on the way to a path, each where it is. */
function linksOn(path: string): string[] {
  const links: string[] = [];
  const left = path.split('/').reverse();
  let at = '';
  while (left.length > 0 && links.length < MAX_LINKS) {
    const name = left.pop() as string;
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at = at.slice(0, Math.max(at.lastIndexOf('/'), 0));
      continue;
    }
    const next = `${at}/${name}`;
    if (lstatSync(next, { throwIfNoEntry: false })?.isSymbolicLink() !== true) {
      at = next;
      continue;
    }
    links.push(next);
    const target = readlinkSync(next);
    if (target.startsWith('/')) at = '';
    left.push(...target.split('/').reverse());
  }
  return links;
}

function distinct(paths: readonly string[]): string[] {
  return [...new Set(paths)];
}
