import { constants } from 'node:os';
import type { Ledger } from '../ledger.js';
import { close, errno, errnoName, kill, pidfdOpen, spawn, wait4 } from '../libc.js';
import { NativeProcess } from '../native-process.js';
import type { LoweredLimit } from '../open-files.js';
import { type ActivationPipes, closeChildEnds, openPipes } from '../pipes.js';
import type { Reactor } from '../reactor.js';
import { SpawnAttributes } from '../spawn-attributes.js';
import { SpawnBlock } from '../spawn-block.js';
import type { ActionImage, ExecEngine, ProcessObserver, StartOutcome, StartRequest } from './engine.js';

/** Room for the opaque type of spawn.h: 80 bytes in glibc. */
const ACTIONS_BYTES = 256;

/**
 * Executes the action with posix_spawn(3), called from this thread: the reference for how every other engine's
 * processes must look (C-RUN-14).
 */
export class PosixSpawnEngine implements ExecEngine {
  readonly name = 'posix_spawn';
  readonly #reactor: Reactor;
  readonly #ledger: Ledger;
  readonly #block = new SpawnBlock();
  readonly #actions = Buffer.alloc(ACTIONS_BYTES);
  readonly #attributes = new SpawnAttributes();
  readonly #pid = new Int32Array(1);
  readonly #limit: LoweredLimit | undefined;

  /** @param limit the limit on open files that actions get; undefined: the server's own */
  constructor(reactor: Reactor, ledger: Ledger, limit?: LoweredLimit) {
    this.#reactor = reactor;
    this.#ledger = ledger;
    this.#limit = limit;
  }

  actionChanged(_action: ActionImage): void {
    // Nothing is prepared per action: the block lays a new image out at its first start.
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome {
    const pipes = this.#withDescriptors(openPipes, (outcome) => outcome === constants.errno.EMFILE);
    if (typeof pipes === 'number') return { kind: 'failed', errno: errnoName(pipes) };
    const error = this.#spawn(request, pipes);
    closeChildEnds(pipes);
    if (error !== 0) return this.#fail(pipes, errnoName(error));
    const pid = this.#pid[0] as number;
    const pidfd = this.#withDescriptors(
      () => pidfdOpen(pid),
      (fd) => fd < 0,
    );
    if (pidfd < 0) {
      const name = errnoName(errno());
      abandon(pid);
      return this.#fail(pipes, name);
    }
    const child = { pid, pidfd, stdin: pipes.stdin, stdout: pipes.stdout, stderr: pipes.stderr };
    return {
      kind: 'started',
      process: new NativeProcess(this.#reactor, this.#ledger, child, request.argument, observer),
    };
  }

  close(): void {
    this.#block.close();
  }

  /** @returns 0, or the error number of posix_spawn(3) */
  #spawn(request: StartRequest, pipes: ActivationPipes): number {
    const { argv, envp } = this.#block.pack(request);
    const { exec, folder } = request.action;
    const actions = this.#actions;
    spawn.actionsInit(actions);
    spawn.actionsChdir(actions, folder);
    for (const [target, fd] of pipes.child.entries()) spawn.actionsDup2(actions, fd, target);
    // Descriptors that the server itself inherited may lack close-on-exec.
    spawn.actionsCloseFrom(actions, 3);
    const start = (): number =>
      spawn.posixSpawn(this.#pid, exec, actions, this.#attributes.bytes, argv, envp);
    const error = this.#limit === undefined ? start() : this.#limit.lowered(start);
    spawn.actionsDestroy(actions);
    return error;
  }

  /** Another thread may have lowered the limit on open files for a moment: then it is tried once more. */
  #withDescriptors<T>(call: () => T, lacking: (outcome: T) => boolean): T {
    const outcome = call();
    return this.#limit !== undefined && lacking(outcome) ? this.#limit.raised(call) : outcome;
  }

  #fail(pipes: ActivationPipes, name: string): StartOutcome {
    for (const fd of [pipes.stdin, pipes.stdout, pipes.stderr]) close(fd);
    return { kind: 'failed', errno: name };
  }
}

/** Ends a process that can't be supervised, for want of a descriptor. It dies at once, so the wait is short. */
function abandon(pid: number): void {
  kill(-pid, constants.signals.SIGKILL);
  wait4(pid, new Int32Array(1), 0, null);
}
