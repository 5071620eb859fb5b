import { accessSync, constants } from 'node:fs';
import { interpreterOf, readHead } from '../../../action/executable.js';
import { Inheritance, type InheritanceFacts } from './inheritance.js';
import { attributeSize } from './native.js';
import { Place, type PlaceFacts } from './place.js';
import { Unsuitable } from './refusal.js';

const SET_ID = 0o6000;
/** Scripts whose interpreter is a script: the kernel follows that many (execve(2)). */
const DEEPEST_SCRIPT = 5;
/** How old what is known of the system's own files, and of the server itself, may be. */
const RECHECK_MS = 1000;
/** Where only whoever administers the system puts files. */
const OF_SYSTEM = /^\/(usr|lib\w*|etc|bin|sbin)\//;
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
 * loader looked for something, found or not, and what the server passes on to its processes. A template is used only
 * while all of it is what it was.
 */
export class Identity {
  readonly #near: readonly Place[];
  readonly #far: readonly Place[];
  readonly #inheritance: Inheritance;
  #checkedMs = performance.now();

  /**
   * @param near looked at for each run
   * @param far looked at once a second
   */
  constructor(near: readonly Place[], far: readonly Place[], inheritance: Inheritance) {
    this.#near = near;
    this.#far = far;
    this.#inheritance = inheritance;
  }

  /** As another thread has found it. */
  static of({ near, far, inheritance }: IdentityFacts): Identity {
    const places = (facts: readonly PlaceFacts[]): Place[] => facts.map((one) => new Place(one.path, one));
    return new Identity(places(near), places(far), new Inheritance(inheritance));
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
    return this.#far.every((place) => place.unchanged()) && this.#inheritance.unchanged();
  }
}

/** Finds out what a template is made of, from before its start until it stands. */
export class Identification {
  /** The executable, then its interpreters. */
  readonly #executables: readonly Place[];
  readonly #folder: Place;
  readonly #inheritance = new Inheritance();

  /** @throws Unsuitable for what the kernel starts with other rights, or what nobody may look into */
  constructor(exec: string, folder: string) {
    this.#executables = startOf(exec, folder);
    this.#folder = new Place(folder);
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
    if (!program.isAlso(`/proc/${pid}/exe`) || ![...own, ...asked].every((place) => place.unchanged()))
      throw new Unsuitable(`${program.path} changed while it was started`);
    const unasked = mapped.find((path) => !asked.some((place) => place.isAlso(path)));
    if (unasked !== undefined) throw new Unsuitable(`nobody knows how ${unasked} came into its memory`);
    const far = asked.filter(({ path }) => OF_SYSTEM.test(path));
    const near = [...own, ...asked.filter(({ path }) => !OF_SYSTEM.test(path))];
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
