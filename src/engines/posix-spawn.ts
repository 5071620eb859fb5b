import type { ActionImage } from '../os/action-image.js';
import type { ArgvEnvBlock } from '../os/argv-env-block.js';
import { close, errno, errnoName, pidfdOpen } from '../os/libc.js';
import { killUnsupervised, NativeProcess } from '../os/native-process.js';
import { type ActivationPipes, closeChildEnds, openPipes } from '../os/pipes.js';
import type { Reactor } from '../os/reactor.js';
import type { Confinement } from '../os/rights.js';
import type { ProcessObserver } from '../os/running-process.js';
import { lacksDescriptors, Spawner } from '../os/spawner.js';
import type { NofileLimit } from '../shared-memory/nofile-limit.js';
import type { ResourceTable } from '../shared-memory/resource-table.js';
import type { ExecEngine, StartOutcome, StartRequest } from './engine.js';

/** What an activation has open. */
const STREAM_COUNT = 3;

/**
 * Executes the action with posix_spawn(3), called from this thread: the reference for how every other engine's
 * processes must look (C-RUN-14).
 */
export class PosixSpawnEngine implements ExecEngine {
  readonly name = 'posix_spawn';
  readonly #reactor: Reactor;
  readonly #resourceTable: ResourceTable;
  readonly #block: ArgvEnvBlock;
  readonly #spawner: Spawner;

  /** @param nofileLimit and confinement as {@link Spawner} takes them */
  constructor(
    reactor: Reactor,
    resourceTable: ResourceTable,
    nofileLimit?: NofileLimit,
    confinement?: Confinement,
  ) {
    this.#reactor = reactor;
    this.#resourceTable = resourceTable;
    this.#spawner = new Spawner(nofileLimit, confinement);
    this.#block = this.#spawner.createArgvEnvBlock(STREAM_COUNT);
  }

  actionChanged(_action: ActionImage): void {
    // Nothing is prepared per action: the block lays a new image out at its first start.
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome {
    const pipes = this.#spawner.withDescriptors(() => openPipes(this.#spawner.owner), lacksDescriptors);
    if (typeof pipes === 'number') return { kind: 'failed', errno: errnoName(pipes) };
    const { exec, folder } = request.action;
    const strings = this.#block.pack(request);
    const pid = this.#spawner.spawnProgram({ path: exec, folder, strings, descriptors: pipes.child });
    this.#block.wipe();
    closeChildEnds(pipes);
    if (pid < 0) return fail(pipes, errnoName(-pid));
    const pidfd = this.#spawner.withDescriptors(
      () => pidfdOpen(pid),
      (fd) => fd < 0,
    );
    if (pidfd < 0) {
      const name = errnoName(errno());
      killUnsupervised(pid);
      return { ...fail(pipes, name), kind: 'killed' };
    }
    const child = { pid, pidfd, stdin: pipes.stdin, stdout: pipes.stdout, stderr: pipes.stderr };
    return {
      kind: 'started',
      process: new NativeProcess(this.#reactor, this.#resourceTable, child, request.argument, observer),
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
