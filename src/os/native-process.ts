import { constants } from 'node:os';
import type { ProcessExit } from '../protocol/answer.js';
import { wipe } from '../protocol/wipe.js';
import { PID, PIDFD, type ResourceTable, STDERR, STDIN, STDOUT } from '../shared-memory/resource-table.js';
import { close, errno, fcntl, getpgid, kill, pidfdOpen, pidfdSendSignal, read, wait4 } from './libc.js';
import { READABLE, type Reactor, type Watch } from './reactor.js';
import type { ProcessObserver, RunningProcess } from './running-process.js';
import { StdinWriter } from './stdin-writer.js';

/** One pipe's capacity as the kernel makes it (pipe(7)). */
const CHUNK_BYTES = 64 * 1024;
/** fcntl(2): how much a pipe holds; exec may have enlarged it. */
const F_GETPIPE_SZ = 1032;
const WNOHANG = 1;
/** How often it is looked whether a traced process can be reaped. */
const RETRY_MS = 1000;

/** @throws Error where the kernel has no pidfds */
export function requirePidfds(): void {
  const pidfd = pidfdOpen(process.pid);
  if (pidfd < 0)
    throw new Error('pidfd_open(2) is not available: it needs Linux 5.3 and a profile that allows it');
  close(pidfd);
}

const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
const status = new Int32Array(1);
const usage = Buffer.alloc(144);

/** What a native engine hands over of a process that it has just started; all of it becomes ours. */
interface StartedChild {
  readonly pid: number;
  readonly pidfd: number;
  /** -1 when the arguments are in the pipe already, and our end of it is closed. */
  readonly stdin: number;
  readonly stdout: number;
  readonly stderr: number;
  /** Our end of descriptor 3, where it answers there; its stdin is then left open behind the line. */
  readonly answers?: number;
  /** Told how it ended, once it has been reaped. */
  readonly reaped?: (exit: ProcessExit) => void;
}

interface Output {
  fd: number;
  watch: Watch | undefined;
  readonly field: typeof STDOUT | typeof STDERR;
  readonly entry: number;
  readonly deliver: (bytes: Buffer) => void;
}

/**
 * Supervises one process that was not started by Node: feeds its stdin, reads both outputs as they come,
 * learns of its exit from a pidfd, reaps it. Nothing in here waits.
 *
 * Order at the end: exec exits, its pidfd becomes readable; what it wrote is in the pipes then, so they are
 * read empty, and `exited` is told. Ends of the streams may come before that (the usual case) or after
 * (another process holds them). It stays a zombie until {@link release}: so long its process group can be
 * killed without hitting an unrelated process (C-RUN-25).
 */
export class NativeProcess implements RunningProcess {
  readonly pid: number;
  readonly #reactor: Reactor;
  readonly #observer: ProcessObserver;
  readonly #resourceTable: ResourceTable;
  readonly #entry: number;
  readonly #outputs: readonly Output[];
  /** In the resource table, of descriptor 3. */
  #answersEntry: number | undefined;
  readonly #onReaped: ((exit: ProcessExit) => void) | undefined;
  #stdin: number;
  #stdinWriter: StdinWriter | undefined;
  #pidfd: number;
  #exitWatch: Watch | undefined;
  #paused = false;
  #exitSeen = false;
  #exitReported = false;
  #reaped = false;
  /** Released before it had exited: what is to be done before it is reaped. */
  #releasedBeforeExit: (() => void) | undefined;

  constructor(
    reactor: Reactor,
    resourceTable: ResourceTable,
    child: StartedChild,
    argument: Buffer,
    observer: ProcessObserver,
  ) {
    this.pid = child.pid;
    this.#reactor = reactor;
    this.#observer = observer;
    this.#resourceTable = resourceTable;
    this.#entry = resourceTable.open();
    this.#stdin = child.stdin;
    this.#pidfd = child.pidfd;
    this.#onReaped = child.reaped;
    resourceTable.set(this.#entry, PID, child.pid);
    resourceTable.set(this.#entry, STDIN, child.stdin + 1);
    resourceTable.set(this.#entry, STDOUT, child.stdout + 1);
    resourceTable.set(this.#entry, STDERR, child.stderr + 1);
    resourceTable.set(this.#entry, PIDFD, child.pidfd + 1);
    const output = (
      fd: number,
      field: Output['field'],
      deliver: Output['deliver'],
      entry = this.#entry,
    ): Output => ({
      ...{ fd, field, deliver, entry },
      watch: undefined,
    });
    const outputs = [
      output(child.stdout, STDOUT, (bytes) => observer.stdout(bytes)),
      output(child.stderr, STDERR, (bytes) => observer.stderr(bytes)),
    ];
    if (child.answers !== undefined) {
      this.#answersEntry = resourceTable.open();
      resourceTable.set(this.#answersEntry, STDOUT, child.answers + 1);
      outputs.push(output(child.answers, STDOUT, (bytes) => observer.answer?.(bytes), this.#answersEntry));
    }
    this.#outputs = outputs;
    for (const output of this.#outputs) this.#watchOutput(output);
    this.#exitWatch = reactor.add(this.#pidfd, READABLE, () => this.#onExit());
    if (child.stdin >= 0)
      this.#stdinWriter = new StdinWriter(reactor, child.stdin, argument, () => {
        if (child.answers === undefined) this.closeStdin();
      });
  }

  get isPaused(): boolean {
    return this.#paused;
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
    if (this.#exitSeen && !this.#exitReported) this.#finish();
  }

  kill(signal: number): void {
    if (!this.#reaped) signalWithGroup(this.pid, this.#pidfd, signal);
  }

  release(beforeReaping?: () => void): ProcessExit {
    this.closeStdin();
    for (const output of this.#outputs) this.#closeOutput(output);
    if (!this.#exitSeen) {
      this.#releasedBeforeExit = beforeReaping ?? (() => {});
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
    if (this.#exitReported && this.#outputs.every(({ fd }) => fd < 0)) this.#observer.streamsEnded();
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
    if (this.#releasedBeforeExit !== undefined) {
      this.#releasedBeforeExit();
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
    this.closeStdin();
    this.#exitReported = true;
    this.#observer.exited(this.#outputs.some(({ fd }) => fd >= 0));
  }

  #reap(): ProcessExit {
    this.#resourceTable.clear(this.#entry, PID);
    this.#reaped = true;
    const exit = reap(this.pid);
    this.#resourceTable.clear(this.#entry, PIDFD);
    close(this.#pidfd);
    this.#pidfd = -1;
    this.#resourceTable.close(this.#entry);
    if (this.#answersEntry !== undefined) this.#resourceTable.close(this.#answersEntry);
    this.#onReaped?.(exit);
    return exit;
  }

  #closeOutput(output: Output): void {
    if (output.fd < 0) return;
    this.#unwatch(output);
    this.#resourceTable.clear(output.entry, output.field);
    close(output.fd);
    output.fd = -1;
  }

  closeStdin(): void {
    if (this.#stdin < 0) return;
    this.#stdinWriter?.stop();
    this.#resourceTable.clear(this.#entry, STDIN);
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
 * Reaps a process that has exited, and answers how. Non-blocking. A ptrace(2) tracer is notified of the exit before the
 * parent, so wait4(2) may return 0: then the exit is unknown, and the process is reaped later.
 */
export function reap(pid: number): ProcessExit {
  const reaped = wait4(pid, status, WNOHANG, usage);
  if (reaped === 0) reapLater(pid);
  return reaped === pid ? exitOf(status[0] as number, usage) : {};
}

/** Reaps a process as soon as that can be done without waiting. */
function reapLater(pid: number): void {
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

/** Ends a process that can't be supervised, for want of a descriptor; it is reaped later where it does not die at once. */
export function killUnsupervised(pid: number): void {
  const { SIGKILL } = constants.signals;
  kill(-pid, SIGKILL);
  // It may have left its group. Until it is reaped its number is nobody else's.
  kill(pid, SIGKILL);
  reap(pid);
}
