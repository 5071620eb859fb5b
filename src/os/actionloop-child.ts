import { constants } from 'node:os';
import type { ProcessExit } from '../protocol/answer.js';
import { PID, PIDFD, type ResourceTable, STDIN, STDOUT } from '../shared-memory/resource-table.js';
import { MAX_KILL_MS } from './group-signal.js';
import { close, errno, errnoName, fchown, kill, O_CLOEXEC, pidfdOpen, pipe2 } from './libc.js';
import { killUnsupervised, reap, signalWithGroup } from './native-process.js';
import { setNonBlocking } from './pipes.js';
import { READABLE, type Reactor, type Watch } from './reactor.js';
import type { Spawner } from './spawner.js';

/** A process that stays, as it is to be started (C-AL-06). */
export interface ActionLoopProgram {
  readonly exec: string;
  readonly environment: readonly Buffer[];
  /** The descriptors that become its stdout and stderr. */
  readonly logs: readonly [stdout: number, stderr: number];
}

/** Three streams, and the one for answers. */
const DESCRIPTORS = 4;
const ends = new Int32Array(2);

/**
 * A process that stays, as the worker thread that started it owns it: the exit is learned from a pidfd, and
 * reaped. Its pipes are handed to whoever talks to it.
 */
export class ActionLoopChild {
  readonly pid: number;
  /** Our end of its stdin. */
  readonly stdin: number;
  /** Our end of its descriptor 3. */
  readonly answers: number;
  /** Resolves once it has been reaped, or some moments after SIGKILL: the reaping then comes later. */
  readonly exited: Promise<ProcessExit>;
  readonly #resourceTable: ResourceTable;
  readonly #entry: number;
  readonly #pidfd: number;
  readonly #reaping: Promise<ProcessExit>;
  #resolveKilled: (exit: ProcessExit) => void = () => {};
  #killing: NodeJS.Timeout | undefined;
  #reaped = false;

  /** @returns the process, or the name of the error that prevented it */
  static start(
    program: ActionLoopProgram,
    spawner: Spawner,
    reactor: Reactor,
    resourceTable: ResourceTable,
    beforeReaping: (pid: number) => void,
  ): ActionLoopChild | string {
    const opened = spawner.withDescriptors(openPipePair, (pipes) => pipes === undefined);
    if (opened === undefined) return errnoName(errno());
    const [childStdin, stdin, answers, childAnswers] = opened;
    const { owner } = spawner;
    if (owner !== undefined) for (const fd of [stdin, answers]) fchown(fd, owner.uid, owner.gid);
    const block = spawner.createArgvEnvBlock(DESCRIPTORS);
    const action = { exec: program.exec, folder: '', environment: program.environment };
    const pid = spawner.spawnProgram({
      path: program.exec,
      strings: block.pack({ action, variables: [] }),
      descriptors: [childStdin, ...program.logs, childAnswers],
    });
    block.close();
    close(childStdin);
    close(childAnswers);
    const pidfd =
      pid < 0
        ? -1
        : spawner.withDescriptors(
            () => pidfdOpen(pid),
            (fd) => fd < 0,
          );
    if (pidfd >= 0) {
      const child = { pid, pidfd, stdin, answers };
      return new ActionLoopChild(child, reactor, resourceTable, beforeReaping);
    }
    const name = errnoName(pid < 0 ? -pid : errno());
    if (pid > 0) killUnsupervised(pid);
    close(stdin);
    close(answers);
    return name;
  }

  private constructor(
    child: { pid: number; pidfd: number; stdin: number; answers: number },
    reactor: Reactor,
    resourceTable: ResourceTable,
    beforeReaping: (pid: number) => void,
  ) {
    this.pid = child.pid;
    this.stdin = child.stdin;
    this.answers = child.answers;
    this.#resourceTable = resourceTable;
    this.#entry = resourceTable.open();
    resourceTable.set(this.#entry, PID, child.pid);
    resourceTable.set(this.#entry, STDIN, child.stdin + 1);
    resourceTable.set(this.#entry, STDOUT, child.answers + 1);
    resourceTable.set(this.#entry, PIDFD, child.pidfd + 1);
    this.#pidfd = child.pidfd;
    this.#reaping = new Promise((resolve) => {
      const watch: Watch = reactor.add(child.pidfd, READABLE, () => {
        reactor.remove(watch);
        beforeReaping(child.pid);
        resourceTable.clear(this.#entry, PID);
        this.#reaped = true;
        const exit = reap(child.pid);
        resourceTable.clear(this.#entry, PIDFD);
        close(child.pidfd);
        clearTimeout(this.#killing);
        resolve(exit);
      });
    });
    const killed = new Promise<ProcessExit>((resolve) => {
      this.#resolveKilled = resolve;
    });
    this.exited = Promise.race([this.#reaping, killed]);
  }

  /** Its pipes have another owner now, who has taken them out of the resource table. */
  pipesTransferred(): void {
    void this.#reaping.then(() => this.#resourceTable.close(this.#entry));
  }

  /** Closes our ends of its pipes, where they stay with this thread. */
  closePipes(): void {
    this.#resourceTable.clear(this.#entry, STDIN);
    this.#resourceTable.clear(this.#entry, STDOUT);
    close(this.stdin);
    close(this.answers);
    void this.#reaping.then(() => this.#resourceTable.close(this.#entry));
  }

  /** Kills it alone, not its process group. */
  killAlone(): void {
    if (!this.#reaped) kill(this.pid, constants.signals.SIGKILL);
  }

  /** Sends a signal to it and to its process group; no effect once it has been reaped. */
  kill(signal: keyof typeof constants.signals): void {
    if (this.#reaped) return;
    signalWithGroup(this.pid, this.#pidfd, constants.signals[signal]);
    if (signal !== 'SIGKILL') return;
    // In an uninterruptible state, or stopped at its end by a tracer, it does not end.
    this.#killing ??= setTimeout(() => this.#resolveKilled({}), MAX_KILL_MS);
  }
}

/** Two pipes, ours not blocking; undefined, with nothing left open, where they can't be had. */
function openPipePair():
  | [childStdin: number, stdin: number, answers: number, childAnswers: number]
  | undefined {
  if (pipe2(ends, O_CLOEXEC) !== 0) return undefined;
  const [childStdin, stdin] = ends as unknown as [number, number];
  if (pipe2(ends, O_CLOEXEC) !== 0) {
    close(childStdin);
    close(stdin);
    return undefined;
  }
  const [answers, childAnswers] = ends as unknown as [number, number];
  setNonBlocking(stdin);
  setNonBlocking(answers);
  return [childStdin, stdin, answers, childAnswers];
}
