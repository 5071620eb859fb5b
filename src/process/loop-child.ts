import { constants } from 'node:os';
import type { ProcessExit } from './engines/engine.js';
import { abandon } from './engines/posix-spawn.js';
import { type Ledger, PID, PIDFD, STDIN, STDOUT } from './ledger.js';
import { close, errno, errnoName, fchown, O_CLOEXEC, pidfdOpen, pipe2 } from './libc.js';
import { reap, signalWithGroup } from './native-process.js';
import { setNonBlocking } from './pipes.js';
import { READABLE, type Reactor, type Watch } from './reactor.js';
import { MAX_KILL_MS } from './signal.js';
import type { Spawner } from './spawner.js';

/** A process that stays, as it is to be started (C-AL-06). */
export interface LoopProgram {
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
export class LoopChild {
  readonly pid: number;
  /** Our end of its stdin. */
  readonly stdin: number;
  /** Our end of its descriptor 3. */
  readonly answers: number;
  /** Resolves once it has been reaped, or some moments after SIGKILL: the reaping then comes later. */
  readonly exited: Promise<ProcessExit>;
  readonly #ledger: Ledger;
  readonly #entry: number;
  readonly #pidfd: number;
  readonly #reaping: Promise<ProcessExit>;
  #tellKilled: (exit: ProcessExit) => void = () => {};
  #killing: NodeJS.Timeout | undefined;
  #reaped = false;

  /** @returns the process, or the name of the error that prevented it */
  static start(
    program: LoopProgram,
    spawner: Spawner,
    reactor: Reactor,
    ledger: Ledger,
    beforeReaping: (pid: number) => void,
  ): LoopChild | string {
    const opened = spawner.withDescriptors(openTwo, (pipes) => pipes === undefined);
    if (opened === undefined) return errnoName(errno());
    const [childStdin, stdin, answers, childAnswers] = opened;
    const { owner } = spawner;
    if (owner !== undefined) for (const fd of [stdin, answers]) fchown(fd, owner.uid, owner.gid);
    const block = spawner.block(DESCRIPTORS);
    const action = { exec: program.exec, folder: '', environment: program.environment };
    const pid = spawner.start({
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
      return new LoopChild(child, reactor, ledger, beforeReaping);
    }
    const name = errnoName(pid < 0 ? -pid : errno());
    if (pid > 0) abandon(pid);
    close(stdin);
    close(answers);
    return name;
  }

  private constructor(
    child: { pid: number; pidfd: number; stdin: number; answers: number },
    reactor: Reactor,
    ledger: Ledger,
    beforeReaping: (pid: number) => void,
  ) {
    this.pid = child.pid;
    this.stdin = child.stdin;
    this.answers = child.answers;
    this.#ledger = ledger;
    this.#entry = ledger.open();
    ledger.set(this.#entry, PID, child.pid);
    ledger.set(this.#entry, STDIN, child.stdin + 1);
    ledger.set(this.#entry, STDOUT, child.answers + 1);
    ledger.set(this.#entry, PIDFD, child.pidfd + 1);
    this.#pidfd = child.pidfd;
    this.#reaping = new Promise((resolve) => {
      const watch: Watch = reactor.add(child.pidfd, READABLE, () => {
        reactor.remove(watch);
        beforeReaping(child.pid);
        ledger.clear(this.#entry, PID);
        this.#reaped = true;
        const exit = reap(child.pid);
        ledger.clear(this.#entry, PIDFD);
        close(child.pidfd);
        clearTimeout(this.#killing);
        resolve(exit);
      });
    });
    const killed = new Promise<ProcessExit>((resolve) => {
      this.#tellKilled = resolve;
    });
    this.exited = Promise.race([this.#reaping, killed]);
  }

  /** Its pipes have another owner now, who has taken them out of the ledger. */
  handedOver(): void {
    void this.#reaping.then(() => this.#ledger.close(this.#entry));
  }

  /** Sends a signal to it and to its process group; no effect once it has been reaped. */
  kill(signal: keyof typeof constants.signals): void {
    if (this.#reaped) return;
    signalWithGroup(this.pid, this.#pidfd, constants.signals[signal]);
    if (signal !== 'SIGKILL') return;
    // In an uninterruptible state, or stopped at its end by a tracer, it does not end.
    this.#killing ??= setTimeout(() => this.#tellKilled({}), MAX_KILL_MS);
  }
}

/** Two pipes, ours not blocking; undefined, with nothing left open, where they can't be had. */
function openTwo(): [childStdin: number, stdin: number, answers: number, childAnswers: number] | undefined {
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
