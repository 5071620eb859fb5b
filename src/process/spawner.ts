import { constants } from 'node:os';
import { spawn } from './libc.js';
import type { LoweredLimit } from './open-files.js';
import type { PackedStrings } from './spawn-block.js';

const SETPGROUP = 0x02;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
/** Room for the opaque types of spawn.h: 80 and 336 bytes in glibc. */
const ACTIONS_BYTES = 256;
const ATTRIBUTES_BYTES = 1024;
const SIGNAL_SET_BYTES = 128;

/** A program to be started. */
export interface Program {
  readonly path: string;
  /** The working directory; undefined: the server's own. */
  readonly folder?: string;
  readonly strings: PackedStrings;
  /** What the program's descriptors 0, 1, 2, … are; it gets no others. */
  readonly descriptors: readonly number[];
}

/**
 * posix_spawn(3) as every process of an action is started: a process group of its own, default signals, an
 * empty mask, nothing inherited but the given descriptors (C-RUN-14).
 */
export class Spawner {
  readonly #actions = Buffer.alloc(ACTIONS_BYTES);
  readonly #attributes = Buffer.alloc(ATTRIBUTES_BYTES);
  readonly #pid = new Int32Array(1);
  readonly #limit: LoweredLimit | undefined;

  /** @param limit the limit on open files that actions get; undefined: the server's own */
  constructor(limit?: LoweredLimit) {
    this.#limit = limit;
    spawn.attributesInit(this.#attributes);
    spawn.attributesFlags(this.#attributes, SETPGROUP | SETSIGDEF | SETSIGMASK);
    // Node ignores SIGPIPE, and ignored signals would stay ignored across exec.
    spawn.attributesDefaults(this.#attributes, Buffer.alloc(SIGNAL_SET_BYTES, 0xff));
    spawn.attributesMask(this.#attributes, Buffer.alloc(SIGNAL_SET_BYTES));
  }

  /** Starts it. @returns its pid, or an error number of posix_spawn(3), negated */
  start({ path, folder, strings, descriptors }: Program): number {
    const actions = this.#actions;
    spawn.actionsInit(actions);
    if (folder !== undefined) spawn.actionsChdir(actions, folder);
    for (const [target, fd] of descriptors.entries()) spawn.actionsDup2(actions, fd, target);
    // Descriptors that the server itself inherited may lack close-on-exec.
    spawn.actionsCloseFrom(actions, descriptors.length);
    const { argv, envp } = strings;
    const start = (): number => spawn.posixSpawn(this.#pid, path, actions, this.#attributes, argv, envp);
    const error = this.#limit === undefined ? start() : this.#limit.lowered(start);
    spawn.actionsDestroy(actions);
    return error === 0 ? (this.#pid[0] as number) : -error;
  }

  /**
   * Makes descriptors. Another thread may have lowered the limit on open files for a moment: where they were
   * lacking it is tried once more.
   */
  withDescriptors<T>(make: () => T, lacking: (outcome: T) => boolean): T {
    const outcome = make();
    return this.#limit !== undefined && lacking(outcome) ? this.#limit.raised(make) : outcome;
  }
}

/** Whether an outcome of several calls is the error number for want of descriptors. */
export function lacksDescriptors(outcome: unknown): boolean {
  return outcome === constants.errno.EMFILE;
}
