import { accessSync, constants, lstatSync, readlinkSync, realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { interpreterOf, readHead } from '../../../action/executable.js';
import { Inheritance, type InheritanceFacts } from './inheritance.js';
import { attributeSize } from './native.js';
import { Place, type PlaceFacts } from './place.js';
import { Changing, Unsuitable } from './refusal.js';

const SET_ID = 0o6000;
/** Scripts whose interpreter is a script: the kernel follows that many (execve(2)). */
const DEEPEST_SCRIPT = 5;
/** How old what is known of the system's own files may be, and what is known of the server itself. */
const RECHECK_MS = 100;
const RECHECK_SERVER_MS = 1000;
/** Where only whoever administers the system puts files. */
const OF_SYSTEM = /^\/(usr|lib\w*|etc|bin|sbin)(\/|$)/;
/** So many places outside of the system are looked at for each run. */
const MOST_PLACES = 64;

/** What is known of an identity, for another thread. */
export interface IdentityFacts {
  readonly near: readonly PlaceFacts[];
  readonly far: readonly PlaceFacts[];
  readonly inheritance: InheritanceFacts;
}

/**
 * What a template was made of: the executable, the interpreters of a script, the action folder, every path at which the
 * loader looked for something, found or not, the links on the way to all of them, and what the server passes on to its
 * processes. A template is used only while all of it is what it was.
 */
export class Identity {
  readonly #near: readonly Place[];
  readonly #far: readonly Place[];
  readonly #inheritance: Inheritance;
  #checkedMs = performance.now();
  #checkedServerMs = performance.now();

  /**
   * @param near looked at for each run
   * @param far looked at ten times a second
   */
  constructor(near: readonly Place[], far: readonly Place[], inheritance: Inheritance) {
    this.#near = near;
    this.#far = far;
    this.#inheritance = inheritance;
  }

  /** As another thread has found it. */
  static of({ near, far, inheritance }: IdentityFacts): Identity {
    return new Identity(near.map(Place.of), far.map(Place.of), new Inheritance(inheritance));
  }

  get facts(): IdentityFacts {
    const facts = (places: readonly Place[]): PlaceFacts[] => places.map((place) => place.facts);
    return { near: facts(this.#near), far: facts(this.#far), inheritance: this.#inheritance.facts };
  }

  /** Cheap enough for each run: a system call for the executable, one for the folder, and for whatever is near. */
  unchanged(): boolean {
    for (const place of this.#near) if (!place.unchanged()) return false;
    const now = performance.now();
    if (now - this.#checkedMs < RECHECK_MS) return true;
    this.#checkedMs = now;
    if (!this.#far.every((place) => place.unchanged())) return false;
    if (now - this.#checkedServerMs < RECHECK_SERVER_MS) return true;
    this.#checkedServerMs = now;
    return this.#inheritance.unchanged();
  }

  /** There is reason to doubt: the next look is at everything. */
  doubt(): void {
    this.#checkedMs = Number.NEGATIVE_INFINITY;
    this.#checkedServerMs = Number.NEGATIVE_INFINITY;
  }
}

/** Finds out what a template is made of, from before its start until it stands. */
export class Identification {
  /** The executable, then its interpreters. */
  readonly #executables: readonly Place[];
  readonly #folder: Place;
  /** The way to them. */
  readonly #way: readonly Place[];
  readonly #inheritance = new Inheritance();

  /** @throws Unsuitable for what the kernel starts with other rights, or what nobody may look into */
  constructor(exec: string, folder: string) {
    this.#executables = startOf(exec, folder);
    this.#folder = new Place(folder);
    this.#way = wayTo(this.#executables, this.#folder);
    for (const { path, mode, exists } of this.#executables) {
      if (!exists || readHead(path) === undefined) throw new Unsuitable(`${path} can't be read`);
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
   * Adds what the program was loaded with.
   *
   * @param asked the places at which the loader has looked, itself among them
   * @param mapped the files in the program's memory besides its own
   * @throws Unsuitable when it is not the executable that was looked at, or anything has changed since
   */
  confirm(pid: number, asked: readonly Place[], mapped: readonly string[]): Identity {
    const program = this.#executables.at(-1) as Place;
    const own = [...this.#executables, this.#folder];
    const links = asked.filter(({ exists }) => exists).flatMap(({ path }) => linksOn(path));
    if (
      !program.isAlso(`/proc/${pid}/exe`) ||
      ![...own, ...this.#way, ...asked].every((place) => place.unchanged())
    )
      throw new Changing(`${program.path} changed while it was started`);
    const unasked = mapped.find((path) => !asked.some((place) => place.isAlso(path)));
    if (unasked !== undefined) throw new Unsuitable(`nobody knows how ${unasked} came into its memory`);
    const further = [...this.#way, ...asked, ...distinct(links).map((path) => new Place(path, true))];
    const isNear = ({ path }: Place): boolean =>
      !OF_SYSTEM.test(path) || path.startsWith(`${this.#folder.path}/`);
    const near = [...own, ...further.filter(isNear)];
    const far = further.filter((place) => !isNear(place));
    if (near.length > MOST_PLACES) throw new Unsuitable('its loader looks at too many places');
    return new Identity(near, far, this.#inheritance);
  }
}

/**
 * The executable and, where that is a script, its interpreters, as far as they can be followed.
 *
 * @param folder from which interpreters are named, for the process begins there
 */
export function startOf(exec: string, folder: string): Place[] {
  const places: Place[] = [];
  for (let path: string | undefined = exec; path !== undefined && places.length <= DEEPEST_SCRIPT; ) {
    places.push(new Place(path));
    const head = readHead(path);
    const named: string | undefined =
      head?.toString('latin1', 0, 2) === '#!' ? interpreterOf(head) : undefined;
    path = named === undefined ? undefined : from(folder, named);
  }
  return places;
}

/** A path as a process in that folder takes it; not normalised, for a link may come before `..`. */
export function from(folder: string, path: string): string {
  return path.startsWith('/') ? path : `${folder}/${path}`;
}

/**
 * What else says which file a path leads to: each link on the way, and the folder in which the file is at last. Files of
 * several folders may be one (link(2)), and a process can tell where it was started from (`/proc/self/exe`, `$ORIGIN`).
 */
function wayTo(executables: readonly Place[], folder: Place): Place[] {
  const there = executables.filter(({ exists }) => exists).map(({ path }) => path);
  const links = distinct(there.flatMap(linksOn)).map((path) => new Place(path, true));
  const folders = distinct(there.flatMap(folderOf)).filter((path) => !folder.isAlso(path));
  return [...links, ...folders.map((path) => new Place(path))];
}

/** The folder in which a file is; none where it is in memory only (memfd_create(2)), or gone. */
function folderOf(path: string): string[] {
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
