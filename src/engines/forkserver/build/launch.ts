import { closeSync, openSync } from 'node:fs';
import { constants } from 'node:os';
import { close, errnoName, freeAddress, nativeMemory, spawn } from '../../../os/libc.js';
import { actionOomScoreAdj, setOomScoreAdj } from '../../../os/oom-score.js';
import { type Rights, rightsText } from '../../../os/rights.js';
import { SpawnAttributes } from '../../../os/spawn-attributes.js';
import type { NofileLimit } from '../../../shared-memory/nofile-limit.js';
import { type ResourceTable, STDIN } from '../../../shared-memory/resource-table.js';
import { UnsupportedError } from '../../errors.js';
import { createHelperMemfd } from '../../native-code/helper-memfd.js';
import { STUB_CODE } from '../../native-code/stub-code.js';
import type { Arch } from '../arch/arch.js';
import { attributesOfChildren, type ProcTexts, procTexts, withOpenFiles } from './attributes.js';
import { buildTimeout, killAndReap, Tracee, waitFor } from './tracee.js';

const ACTIONS_BYTES = 256;
/** The socket's number in a template; stub/stub.c knows it. */
const SOCKET = 3;
const SIGTRAP = 5;
/** The helper's exit status is the error number of execve(2), or this and that of ptrace(2). */
const PTRACE_REFUSED = 128;
const POINTER_BYTES = 8;
const ROOT = 0;

/** A process to be started and stopped at its first instruction. */
interface Launch {
  readonly exec: string;
  readonly folder: string;
  /** The arguments behind `argv[0]`, which is `exec`. */
  readonly arguments: readonly Buffer[];
  readonly environment: readonly Buffer[];
  /** After so many milliseconds it gets SIGALRM, whatever it does then. */
  readonly maxRunMs: number;
  /** Becomes its descriptor 3; descriptors 1 and 2 are /dev/null. */
  readonly socket: number;
  /** Becomes its descriptor 0; undefined: /dev/null. */
  readonly input?: number;
}

/**
 * Starts programs stopped: a helper, which needs no file and no shell, executes them under ptrace(2) with the very
 * arguments and environment it is given.
 */
export class Launcher {
  readonly #arch: Arch;
  readonly #resourceTable: ResourceTable;
  readonly #entry: number;
  readonly #nofileLimit: NofileLimit | undefined;
  readonly #rights: Rights | undefined;
  readonly #attributes = new SpawnAttributes();
  readonly #devNull: number;
  readonly #helper: number;

  /**
   * @param nofileLimit the limit on open files that actions get; undefined: the server's own
   * @param rights what they get that is not the server's own
   * @throws UnsupportedError where there are no files in memory
   */
  constructor(
    arch: Arch,
    resourceTable: ResourceTable,
    nofileLimit: NofileLimit | undefined,
    rights?: Rights,
  ) {
    this.#arch = arch;
    this.#nofileLimit = nofileLimit;
    this.#rights = rights;
    this.#helper = createHelperMemfd(
      Buffer.from(STUB_CODE[process.arch as 'x64' | 'arm64'].helper, 'base64'),
    );
    this.#devNull = openSync('/dev/null', 'r+');
    this.#resourceTable = resourceTable;
    this.#entry = resourceTable.open();
    // Not the other one: what a worker thread has opened through node:fs is closed by Node when the thread ends.
    resourceTable.set(this.#entry, STDIN, this.#helper + 1);
  }

  /** A descriptor of the helper: no other process may look into this one's folder of descriptors. */
  get helper(): number {
    return this.#helper;
  }

  /**
   * Starts a process and answers it stopped, before its first instruction.
   *
   * @throws UnsupportedError with the reason when it can't be started or traced
   */
  launch(launch: Launch): Tracee {
    const pid = this.#spawn(launch);
    const status = waitFor(pid);
    const signal = (status & 0xff) === 0x7f ? status >> 8 : status & 0x7f;
    if (signal === constants.signals.SIGALRM) {
      killAndReap(pid);
      throw buildTimeout();
    }
    if ((status & 0x7f) === 0) {
      const exitStatus = (status >> 8) & 0xff;
      throw new UnsupportedError(
        exitStatus >= PTRACE_REFUSED
          ? `ptrace: ${errnoName(exitStatus - PTRACE_REFUSED)}`
          : `execve: ${errnoName(exitStatus)}`,
      );
    }
    if (status >> 8 !== SIGTRAP || (status & 0xff) !== 0x7f)
      throw new UnsupportedError(`the helper ended with wait status ${status}`);
    // Clones inherit it. Only now the process has the rights by which it can be looked into.
    setOomScoreAdj(pid);
    return new Tracee(pid, this.#arch);
  }

  /**
   * What a process that it has just started has, and every clone of that is to have: struct attributes. To be called on
   * the thread that started it.
   */
  attributesOf(pid: number): Buffer {
    return attributesOf(this.#arch, pid, this.#nofileLimit, this.#rights);
  }

  close(): void {
    this.#resourceTable.clear(this.#entry, STDIN);
    this.#resourceTable.close(this.#entry);
    close(this.#helper);
    closeSync(this.#devNull);
  }

  #spawn({ exec, folder, arguments: further, environment, maxRunMs, socket, input }: Launch): number {
    const rights = rightsText(this.#rights);
    const argv = pointerArray([
      ...[`l${maxRunMs}`, rights, exec].map((text) => Buffer.from(text)),
      ...further,
    ]);
    const envp = pointerArray(environment);
    const actions = Buffer.alloc(ACTIONS_BYTES);
    const pid = new Int32Array(1);
    spawn.actionsInit(actions);
    spawn.actionsChdir(actions, folder);
    spawn.actionsDup2(actions, input ?? this.#devNull, 0);
    for (const target of [1, 2]) spawn.actionsDup2(actions, this.#devNull, target);
    spawn.actionsDup2(actions, socket, SOCKET);
    const path = `/proc/self/fd/${this.#helper}`;
    const start = (): number => spawn.posixSpawn(pid, path, actions, this.#attributes.bytes, argv, envp);
    const error = this.#nofileLimit === undefined ? start() : this.#nofileLimit.withLowered(start);
    spawn.actionsDestroy(actions);
    freeAddress(argv);
    freeAddress(envp);
    if (error !== 0) throw new UnsupportedError(`the helper can't be started: ${errnoName(error)}`);
    return pid[0] as number;
  }
}

/** As {@link Launcher.attributesOf}, of a process that was started with these limits and rights. */
export function attributesOf(
  arch: Arch,
  pid: number,
  nofileLimit: NofileLimit | undefined,
  rights: Rights | undefined,
): Buffer {
  const { user, limits = [] } = rights ?? {};
  const own = new Map(limits.map(({ resource, soft, hard }) => [resource, [soft, hard] as const]));
  const isRoot = (user?.uid ?? process.getuid?.()) === ROOT;
  const files = isRoot ? filesOf(pid) : undefined;
  return attributesOfChildren(arch, withOpenFiles(own, nofileLimit?.low), files);
}

/** What only root may write of a process that is not dumpable; undefined where it is not as it was set. */
function filesOf(pid: number): ProcTexts | undefined {
  const [own, of] = [procTexts('self'), procTexts(pid)];
  const oomScore = `${actionOomScoreAdj()}\n`;
  if (own === undefined || of?.oomScore !== oomScore) return undefined;
  return { oomScore, dumpFilter: own.dumpFilter };
}

/** Strings and an array of pointers to them, ended by a null pointer, in native memory of the caller's. */
function pointerArray(strings: readonly Buffer[]): bigint {
  const arrayBytes = (strings.length + 1) * POINTER_BYTES;
  const total = strings.reduce((sum, string) => sum + string.length + 1, arrayBytes);
  const { address, bytes } = nativeMemory(total);
  let at = arrayBytes;
  for (const [index, string] of strings.entries()) {
    bytes.writeBigUInt64LE(address + BigInt(at), index * POINTER_BYTES);
    at += string.copy(bytes, at);
    bytes[at++] = 0;
  }
  bytes.writeBigUInt64LE(0n, strings.length * POINTER_BYTES);
  return address;
}
