import { constants } from 'node:os';
import type { Ledger } from '../ledger.js';
import { close, errno, errnoName, kill, pidfdOpen, prlimit, spawn, wait4 } from '../libc.js';
import { NativeProcess } from '../native-process.js';
import { closeChildEnds, openPipes } from '../pipes.js';
import type { Reactor } from '../reactor.js';
import { SpawnBlock } from '../spawn-block.js';
import type { ActionImage, ExecEngine, ProcessObserver, StartOutcome, StartRequest } from './engine.js';

const SETPGROUP = 0x02;
const SETSIGDEF = 0x04;
const SETSIGMASK = 0x08;
const RLIMIT_NOFILE = 7;
/** Room for the opaque types of spawn.h: 80 and 336 bytes in glibc. */
const ACTIONS_BYTES = 256;
const ATTRIBUTES_BYTES = 1024;
const SIGNAL_SET_BYTES = 128;

/**
 * Executes the action with posix_spawn(3), called from this thread: about a third of the cost of Node's
 * child_process, and the reference for how every other engine's processes must look (C-RUN-14).
 */
export class PosixSpawnEngine implements ExecEngine {
  readonly name = 'posix_spawn';
  readonly #reactor: Reactor;
  readonly #ledger: Ledger;
  readonly #block = new SpawnBlock();
  readonly #actions = Buffer.alloc(ACTIONS_BYTES);
  readonly #attributes = Buffer.alloc(ATTRIBUTES_BYTES);
  readonly #pid = new Int32Array(1);
  readonly #openFiles: BigUint64Array | undefined;

  /**
   * @param openFiles the limit RLIMIT_NOFILE, soft and hard, that actions get; undefined: the server's own.
   *   Node raises the soft limit for itself before any of our code runs, actions keep the original (D-06).
   */
  constructor(reactor: Reactor, ledger: Ledger, openFiles?: readonly [soft: bigint, hard: bigint]) {
    this.#reactor = reactor;
    this.#ledger = ledger;
    this.#openFiles = openFiles === undefined ? undefined : BigUint64Array.from(openFiles);
    spawn.attributesInit(this.#attributes);
    spawn.attributesFlags(this.#attributes, SETPGROUP | SETSIGDEF | SETSIGMASK);
    // Node ignores SIGPIPE, and ignored signals would stay ignored across exec.
    spawn.attributesDefaults(this.#attributes, Buffer.alloc(SIGNAL_SET_BYTES, 0xff));
    spawn.attributesMask(this.#attributes, Buffer.alloc(SIGNAL_SET_BYTES));
  }

  actionChanged(_action: ActionImage): void {
    // Nothing is prepared per action: the block lays a new image out at its first start.
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome {
    const pipes = openPipes();
    if (typeof pipes === 'number') return { kind: 'failed', errno: errnoName(pipes) };
    const { argv, envp } = this.#block.pack(request);
    const actions = this.#actions;
    spawn.actionsInit(actions);
    spawn.actionsChdir(actions, request.action.folder);
    for (const [target, fd] of pipes.child.entries()) spawn.actionsDup2(actions, fd, target);
    // Descriptors that the server itself inherited may lack close-on-exec.
    spawn.actionsCloseFrom(actions, 3);
    const error = spawn.posixSpawn(this.#pid, request.action.exec, actions, this.#attributes, argv, envp);
    spawn.actionsDestroy(actions);
    closeChildEnds(pipes);
    if (error !== 0) {
      for (const fd of [pipes.stdin, pipes.stdout, pipes.stderr]) close(fd);
      return { kind: 'failed', errno: errnoName(error) };
    }
    const pid = this.#pid[0] as number;
    const pidfd = pidfdOpen(pid);
    if (pidfd < 0) {
      const name = errnoName(errno());
      abandon(pid);
      for (const fd of [pipes.stdin, pipes.stdout, pipes.stderr]) close(fd);
      return { kind: 'failed', errno: name };
    }
    if (this.#openFiles !== undefined) prlimit(pid, RLIMIT_NOFILE, this.#openFiles, null);
    const child = { pid, pidfd, stdin: pipes.stdin, stdout: pipes.stdout, stderr: pipes.stderr };
    return {
      kind: 'started',
      process: new NativeProcess(this.#reactor, this.#ledger, child, request.argument, observer),
    };
  }

  close(): void {
    this.#block.close();
  }
}

/** Ends a process that can't be supervised, for want of a descriptor. It dies at once, so the wait is short. */
function abandon(pid: number): void {
  kill(-pid, constants.signals.SIGKILL);
  wait4(pid, new Int32Array(1), 0, null);
}
