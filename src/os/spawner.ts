import { constants } from 'node:os';
import type { NofileLimit } from '../shared-memory/nofile-limit.js';
import { ArgvEnvBlock, type PackedStrings } from './argv-env-block.js';
import { close, errno, kill, O_CLOEXEC, pipe2, poll, read, spawn, wait4 } from './libc.js';
import { setOomScoreAdj } from './oom-score.js';
import { type ActionUser, CONFINE, type Confinement, ERROR_BYTES } from './rights.js';
import { SpawnAttributes } from './spawn-attributes.js';

/** Room for the opaque type of spawn.h: 80 bytes in glibc. */
const ACTIONS_BYTES = 256;

/** What the helper is called until it is the program. */
const HELPER = 'hs-helper';
const POLLIN = 1;
/** How long a process may take to get its rights and to be executed. */
const MAX_CONFINE_MS = 5000;
const ends = new Int32Array(2);
/** A struct pollfd. */
const pollRequest = Buffer.alloc(8);

/** A program to be started. */
interface Program {
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
  readonly #nofileLimit: NofileLimit | undefined;
  readonly #confinement: Confinement | undefined;
  readonly #report = Buffer.alloc(ERROR_BYTES);

  /**
   * @param nofileLimit the limit on open files that actions get; undefined: the server's own
   * @param confinement what takes rights away from them; undefined: nothing does
   */
  constructor(nofileLimit?: NofileLimit, confinement?: Confinement) {
    this.#nofileLimit = nofileLimit;
    this.#confinement = confinement;
  }

  /** Whom a program's pipes belong to; undefined: the server's user. */
  get owner(): ActionUser | undefined {
    return this.#confinement?.rights.user;
  }

  /**
   * What lays out the strings of programs for {@link spawnProgram}.
   *
   * @param descriptors how many they get
   */
  createArgvEnvBlock(descriptors: number): ArgvEnvBlock {
    const confinement = this.#confinement;
    return new ArgvEnvBlock(
      confinement === undefined ? [] : [HELPER, CONFINE, confinement.text, String(descriptors)],
    );
  }

  /** Starts it. @returns its pid, or an error number of posix_spawn(3), negated */
  spawnProgram(program: Program): number {
    const pid =
      this.#confinement === undefined
        ? this.#spawn(program)
        : this.#confine(program, this.#confinement.descriptor);
    if (pid > 0) setOomScoreAdj(pid);
    return pid;
  }

  /** By way of the helper, which tells on one descriptor more whether it has executed the program. */
  #confine(program: Program, helper: number): number {
    if (
      this.withDescriptors(
        () => pipe2(ends, O_CLOEXEC),
        (failed) => failed !== 0,
      ) !== 0
    )
      return -errno();
    const [report, tells] = ends as unknown as [number, number];
    const descriptors = [...program.descriptors, tells, helper];
    // Its own number is closed by then.
    const path = `/proc/self/fd/${descriptors.length - 1}`;
    const pid = this.#spawn({ ...program, path, descriptors });
    close(tells);
    const error = pid < 0 ? -pid : this.#errorOf(report);
    close(report);
    if (pid > 0 && error !== 0) killAndReap(pid);
    return error === 0 ? pid : -error;
  }

  /** Waits as long as the program takes to be executed, as posix_spawn(3) does, but not for one that somebody stopped. */
  #errorOf(report: number): number {
    pollRequest.writeInt32LE(report, 0);
    pollRequest.writeInt16LE(POLLIN, 4);
    let ready: number;
    do ready = poll(pollRequest, 1, MAX_CONFINE_MS);
    while (ready < 0 && errno() === constants.errno.EINTR);
    if (ready !== 1) return constants.errno.EAGAIN;
    return read(report, this.#report, ERROR_BYTES) === ERROR_BYTES ? this.#report.readUInt32LE(0) : 0;
  }

  #spawn({ path, folder, strings, descriptors }: Program): number {
    const actions = this.#actions;
    spawn.actionsInit(actions);
    if (folder !== undefined) spawn.actionsChdir(actions, folder);
    for (const [target, fd] of descriptors.entries()) spawn.actionsDup2(actions, fd, target);
    // Descriptors that the server itself inherited may lack close-on-exec.
    spawn.actionsCloseFrom(actions, descriptors.length);
    const { argv, envp } = strings;
    const start = (): number =>
      spawn.posixSpawn(this.#pid, path, actions, this.#attributes.bytes, argv, envp);
    const error = this.#nofileLimit === undefined ? start() : this.#nofileLimit.withLowered(start);
    spawn.actionsDestroy(actions);
    return error === 0 ? (this.#pid[0] as number) : -error;
  }

  /**
   * Makes descriptors. Another thread may have lowered the limit on open files for a moment: where they were
   * lacking it is tried once more.
   */
  withDescriptors<T>(make: () => T, isLacking: (outcome: T) => boolean): T {
    const outcome = make();
    return this.#nofileLimit !== undefined && isLacking(outcome)
      ? this.#nofileLimit.withRaised(make)
      : outcome;
  }
}

/** Ends a process that is nobody's activation. It dies at once, so the wait is short. */
export function killAndReap(pid: number): void {
  kill(-pid, constants.signals.SIGKILL);
  wait4(pid, new Int32Array(1), 0, null);
}

/** Whether an outcome of several calls is the error number for want of descriptors. */
export function lacksDescriptors(outcome: unknown): boolean {
  return outcome === constants.errno.EMFILE;
}
