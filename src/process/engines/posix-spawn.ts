import { constants } from 'node:os';
import type { Ledger } from '../ledger.js';
import { close, errno, errnoName, kill, pidfdOpen } from '../libc.js';
import { NativeProcess, reap } from '../native-process.js';
import type { LoweredLimit } from '../open-files.js';
import { type ActivationPipes, closeChildEnds, openPipes } from '../pipes.js';
import type { Reactor } from '../reactor.js';
import type { Confinement } from '../rights.js';
import type { SpawnBlock } from '../spawn-block.js';
import { lacksDescriptors, Spawner } from '../spawner.js';
import type { ActionImage, ExecEngine, ProcessObserver, StartOutcome, StartRequest } from './engine.js';

/** What an activation has open. */
const STREAMS = 3;

/**
 * Executes the action with posix_spawn(3), called from this thread: the reference for how every other engine's
 * processes must look (C-RUN-14).
 */
export class PosixSpawnEngine implements ExecEngine {
  readonly name = 'posix_spawn';
  readonly #reactor: Reactor;
  readonly #ledger: Ledger;
  readonly #block: SpawnBlock;
  readonly #spawner: Spawner;

  /** @param limit and confinement as {@link Spawner} takes them */
  constructor(reactor: Reactor, ledger: Ledger, limit?: LoweredLimit, confinement?: Confinement) {
    this.#reactor = reactor;
    this.#ledger = ledger;
    this.#spawner = new Spawner(limit, confinement);
    this.#block = this.#spawner.block(STREAMS);
  }

  actionChanged(_action: ActionImage): void {
    // Nothing is prepared per action: the block lays a new image out at its first start.
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome {
    const pipes = this.#spawner.withDescriptors(() => openPipes(this.#spawner.owner), lacksDescriptors);
    if (typeof pipes === 'number') return { kind: 'failed', errno: errnoName(pipes) };
    const { exec, folder } = request.action;
    const strings = this.#block.pack(request);
    const pid = this.#spawner.start({ path: exec, folder, strings, descriptors: pipes.child });
    this.#block.wipe();
    closeChildEnds(pipes);
    if (pid < 0) return fail(pipes, errnoName(-pid));
    const pidfd = this.#spawner.withDescriptors(
      () => pidfdOpen(pid),
      (fd) => fd < 0,
    );
    if (pidfd < 0) {
      const name = errnoName(errno());
      abandon(pid);
      return { ...fail(pipes, name), kind: 'killed' };
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
}

function fail(pipes: ActivationPipes, name: string): { kind: 'failed'; errno: string } {
  for (const fd of [pipes.stdin, pipes.stdout, pipes.stderr]) close(fd);
  return { kind: 'failed', errno: name };
}

/** Ends a process that can't be supervised, for want of a descriptor; it is reaped later where it does not die at once. */
export function abandon(pid: number): void {
  const { SIGKILL } = constants.signals;
  kill(-pid, SIGKILL);
  // It may have left its group. Until it is reaped its number is nobody else's.
  kill(pid, SIGKILL);
  reap(pid);
}
