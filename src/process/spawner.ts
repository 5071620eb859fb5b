import { constants } from 'node:os';
import { spawn } from './libc.js';
import { endBeforeServer } from './oom-preference.js';
import type { LoweredLimit } from './open-files.js';
import { SpawnAttributes } from './spawn-attributes.js';
import type { PackedStrings } from './spawn-block.js';

/** Room for the opaque type of spawn.h: 80 bytes in glibc. */
const ACTIONS_BYTES = 256;

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
  readonly #attributes = new SpawnAttributes();
  readonly #pid = new Int32Array(1);
  readonly #limit: LoweredLimit | undefined;

  /** @param limit the limit on open files that actions get; undefined: the server's own */
  constructor(limit?: LoweredLimit) {
    this.#limit = limit;
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
    const start = (): number =>
      spawn.posixSpawn(this.#pid, path, actions, this.#attributes.bytes, argv, envp);
    const error = this.#limit === undefined ? start() : this.#limit.lowered(start);
    spawn.actionsDestroy(actions);
    if (error !== 0) return -error;
    const pid = this.#pid[0] as number;
    endBeforeServer(pid);
    return pid;
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
