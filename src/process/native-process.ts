import { constants } from 'node:os';
import { wipe } from '../contract/wipe.js';
import type { ProcessExit, ProcessObserver, RunningProcess } from './engines/engine.js';
import { type Ledger, PID, PIDFD, STDERR, STDIN, STDOUT } from './ledger.js';
import { close, errno, fcntl, getpgid, kill, pidfdSendSignal, read, wait4 } from './libc.js';
import { READABLE, type Reactor, type Watch } from './reactor.js';
import { StdinFeed } from './stdin-feed.js';

/** One pipe's capacity as the kernel makes it (pipe(7)). */
const CHUNK_BYTES = 64 * 1024;
/** fcntl(2): how much a pipe holds; exec may have enlarged it. */
const F_GETPIPE_SZ = 1032;
const WNOHANG = 1;
/** How often it is looked whether a traced process can be reaped. */
const RETRY_MS = 1000;

const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
const status = new Int32Array(1);
const usage = Buffer.alloc(144);

/** What a native engine hands over of a process that it has just started; all of it becomes ours. */
export interface StartedChild {
  readonly pid: number;
  readonly pidfd: number;
  /** -1 when the arguments are in the pipe already, and our end of it is closed. */
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** Told how it ended, once it has been reaped. */
  readonly reaped?: (exit: ProcessExit) => void;
}

interface Output {
  fd: number;
  watch: Watch | undefined;
  readonly field: typeof STDOUT | typeof STDERR;
  readonly deliver: (bytes: Buffer) => void;
}

/**
 * Supervises one process that was not started by Node: feeds its stdin, reads both outputs as they come,
 * learns of its exit from a pidfd, reaps it. Nothing in here waits.
 *
 * Order at the end: exec exits, its pidfd becomes readable; what it wrote is in the pipes then, so they are
 * read empty, and `exited` is told. Ends of the streams may come before that (the usual case) or after
 * (another process holds them). It stays a zombie until {@link release}: so long its process group can be
 * killed without hitting a stranger (D-02).
 */
export class NativeProcess implements RunningProcess {
  readonly pid: number;
  readonly #reactor: Reactor;
  readonly #observer: ProcessObserver;
  readonly #ledger: Ledger;
  readonly #entry: number;
  readonly #outputs: readonly [Output, Output];
  readonly #whenReaped: ((exit: ProcessExit) => void) | undefined;
  #stdin: number;
  #feed: StdinFeed | undefined;
  #pidfd: number;
  #exitWatch: Watch | undefined;
  #paused = false;
  #exitSeen = false;
  #exitTold = false;
  #reaped = false;
  /** Released before it had exited: what is to be done before it is reaped. */
  #releasedEarly: (() => void) | undefined;

  constructor(
    reactor: Reactor,
    ledger: Ledger,
    child: StartedChild,
    argument: Buffer,
    observer: ProcessObserver,
  ) {
    this.pid = child.pid;
    this.#reactor = reactor;
    this.#observer = observer;
    this.#ledger = ledger;
    this.#entry = ledger.open();
    this.#stdin = child.stdin;
    this.#pidfd = child.pidfd;
    this.#whenReaped = child.reaped;
    ledger.set(this.#entry, PID, child.pid);
    ledger.set(this.#entry, STDIN, child.stdin + 1);
    ledger.set(this.#entry, STDOUT, child.stdout + 1);
    ledger.set(this.#entry, STDERR, child.stderr + 1);
    ledger.set(this.#entry, PIDFD, child.pidfd + 1);
    this.#outputs = [
      { fd: child.stdout, watch: undefined, field: STDOUT, deliver: (bytes) => observer.stdout(bytes) },
      { fd: child.stderr, watch: undefined, field: STDERR, deliver: (bytes) => observer.stderr(bytes) },
    ];
    for (const output of this.#outputs) this.#watchOutput(output);
    this.#exitWatch = reactor.add(this.#pidfd, READABLE, () => this.#onExit());
    if (child.stdin >= 0)
      this.#feed = new StdinFeed(reactor, child.stdin, argument, () => this.#closeStdin());
  }

  pause(): void {
    if (this.#paused) return;
    this.#paused = true;
    // Not a mask of 0: a hang-up would be reported again and again while nobody reads.
    for (const output of this.#outputs) this.#unwatch(output);
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const output of this.#outputs) if (output.fd >= 0) this.#watchOutput(output);
    if (this.#exitSeen && !this.#exitTold) this.#finish();
  }

  kill(signal: number): void {
    if (!this.#reaped) signalWithGroup(this.pid, this.#pidfd, signal);
  }

  release(beforeReaping?: () => void): ProcessExit {
    this.#closeStdin();
    for (const output of this.#outputs) this.#closeOutput(output);
    if (!this.#exitSeen) {
      this.#releasedEarly = beforeReaping ?? (() => {});
      return {};
    }
    beforeReaping?.();
    return this.#reap();
  }

  #watchOutput(output: Output): void {
    output.watch = this.#reactor.add(output.fd, READABLE, () => this.#onReadable(output));
  }

  #unwatch(output: Output): void {
    if (output.watch !== undefined) this.#reactor.remove(output.watch);
    output.watch = undefined;
  }

  #onReadable(output: Output): void {
    this.#readOnce(output);
    if (this.#exitTold && this.#outputs.every(({ fd }) => fd < 0)) this.#observer.streamsEnded();
  }

  /** @returns how many bytes came; 0 when there are none now, or the stream has ended and is closed */
  #readOnce(output: Output): number {
    const count = read(output.fd, chunk, CHUNK_BYTES);
    if (count > 0) {
      const bytes = count === CHUNK_BYTES ? chunk : chunk.subarray(0, count);
      output.deliver(bytes);
      wipe(bytes);
      return count;
    }
    if (count < 0) {
      const error = errno();
      if (error === constants.errno.EAGAIN || error === constants.errno.EINTR) return 0;
    }
    this.#closeOutput(output);
    return 0;
  }

  #onExit(): void {
    this.#exitSeen = true;
    if (this.#exitWatch !== undefined) this.#reactor.remove(this.#exitWatch);
    this.#exitWatch = undefined;
    if (this.#releasedEarly !== undefined) {
      this.#releasedEarly();
      this.#reap();
      return;
    }
    // Whoever paused has no room for what is still in the pipes; resume() goes on from here.
    if (!this.#paused) this.#finish();
  }

  #finish(): void {
    for (const output of this.#outputs) {
      // No more than the pipe held when exec exited: another process may go on writing for ever.
      let left = output.fd < 0 ? 0 : fcntl(output.fd, F_GETPIPE_SZ, 0);
      while (output.fd >= 0 && left > 0) {
        const count = this.#readOnce(output);
        if (count === 0) break;
        left -= count;
      }
    }
    this.#closeStdin();
    this.#exitTold = true;
    this.#observer.exited(this.#outputs.some(({ fd }) => fd >= 0));
  }

  #reap(): ProcessExit {
    this.#ledger.clear(this.#entry, PID);
    this.#reaped = true;
    const exit = reap(this.pid);
    this.#ledger.clear(this.#entry, PIDFD);
    close(this.#pidfd);
    this.#pidfd = -1;
    this.#ledger.close(this.#entry);
    this.#whenReaped?.(exit);
    return exit;
  }

  #closeOutput(output: Output): void {
    if (output.fd < 0) return;
    this.#unwatch(output);
    this.#ledger.clear(this.#entry, output.field);
    close(output.fd);
    output.fd = -1;
  }

  #closeStdin(): void {
    if (this.#stdin < 0) return;
    this.#feed?.stop();
    this.#ledger.clear(this.#entry, STDIN);
    close(this.#stdin);
    this.#stdin = -1;
  }
}

/**
 * Sends a signal to a process and to the group that it was made the leader of. It may have left that group, for the
 * server's own too (setpgid(2)): then it gets the signal by its pidfd, and the group that it has joined gets none.
 *
 * SIGKILL goes both ways in any case; any other signal reaches no process twice.
 */
export function signalWithGroup(pid: number, pidfd: number, signal: number): void {
  const failed = kill(-pid, signal) !== 0;
  const { SIGKILL } = constants.signals;
  if (failed || signal === SIGKILL || getpgid(pid) !== pid) pidfdSendSignal(pidfd, signal);
}

/**
 * Reaps a process that has exited, and answers how. It never waits: who traces a process learns of its end first, and as
 * long as that one does not look (ptrace(2)) it can't be reaped. Then nothing is known of it, and it is reaped later.
 */
export function reap(pid: number): ProcessExit {
  const reaped = wait4(pid, status, WNOHANG, usage);
  if (reaped === 0) reapLater(pid);
  return reaped === pid ? exitOf(status[0] as number, usage) : {};
}

/** Reaps a process as soon as that can be done without waiting. */
export function reapLater(pid: number): void {
  const timer = setInterval(() => {
    if (wait4(pid, status, WNOHANG, null) !== 0) clearInterval(timer);
  }, RETRY_MS).unref();
}

/** Reads a wait status and a struct rusage as wait4(2) fills them on 64-bit Linux. */
function exitOf(waitStatus: number, rusage: Buffer): ProcessExit {
  const signal = waitStatus & 0x7f;
  const seconds = (at: number): number =>
    Number(rusage.readBigInt64LE(at)) + Number(rusage.readBigInt64LE(at + 8)) / 1e6;
  const used = {
    userCpuSeconds: seconds(0),
    systemCpuSeconds: seconds(16),
    maxResidentBytes: Number(rusage.readBigInt64LE(32)) * 1024,
  };
  return signal === 0 ? { status: (waitStatus >> 8) & 0xff, usage: used } : { signal, usage: used };
}
