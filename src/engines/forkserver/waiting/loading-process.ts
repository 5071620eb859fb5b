import { readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { ActionLoopChild } from '../../../os/actionloop-child.js';
import { close, errno, errnoName, fchown, O_CLOEXEC, pipe2, read } from '../../../os/libc.js';
import { setNonBlocking } from '../../../os/pipes.js';
import { READABLE, type Reactor, type Watch } from '../../../os/reactor.js';
import type { Spawner } from '../../../os/spawner.js';
import { LineSplitter } from '../../../protocol/line-splitter.js';
import { type ResourceTable, STDOUT } from '../../../shared-memory/resource-table.js';

const CHUNK_BYTES = 64 * 1024;
/** The most that the system lets a pipe have by default (pipe(7), pipe-max-size). */
const MAX_PIPE_BYTES = 1024 * 1024;
const MAX_LOG_LINE_BYTES = 1024 * 1024;
/** More than that is no acknowledgement. */
const MAX_ANSWER_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
const ends = new Int32Array(2);

/** What processes of an isolated action are started from. */
export interface IsolatedImage {
  /** The folder of its init, which no other image has. */
  readonly folder: string;
  readonly exec: string;
  readonly environment: readonly Buffer[];
}

/** What a thread starts them with. */
export interface LoadingParts {
  readonly spawner: Spawner;
  readonly reactor: Reactor;
  readonly resourceTable: ResourceTable;
  /** Gets what a process writes before it waits; valid during the call. */
  readonly log: (stream: 'stdout' | 'stderr', bytes: Buffer) => void;
  readonly beforeReaping: (pid: number) => void;
}

/** A process of the action from its start until it waits for its first line. */
export class LoadingProcess {
  readonly child: ActionLoopChild;
  /** What its streams lead to, as `/proc/[pid]/fd` shows it. */
  readonly streams: readonly string[];
  readonly #parts: LoadingParts;
  readonly #logs: readonly LogPipe[];
  readonly #written: Buffer[] = [];
  #writtenBytes = 0;
  #answersWatch: Watch | undefined;
  #resolveFirstLine: (line: Buffer) => void = () => {};
  /** Resolves with the first line that it writes on descriptor 3. */
  readonly firstLine = new Promise<Buffer>((resolve) => {
    this.#resolveFirstLine = resolve;
  });

  /** @returns the process, or the name of the error that prevented it */
  static start(image: IsolatedImage, parts: LoadingParts): LoadingProcess | string {
    const { spawner, reactor, resourceTable, beforeReaping } = parts;
    const pipes = [openLogPipe(), openLogPipe()];
    const closeAll = (): void => {
      for (const pipe of pipes) if (pipe !== undefined) for (const fd of pipe) close(fd);
    };
    const [stdout, stderr] = pipes;
    if (stdout === undefined || stderr === undefined) {
      const name = errnoName(errno());
      closeAll();
      return name;
    }
    const { owner } = spawner;
    if (owner !== undefined) for (const [fd] of [stdout, stderr]) fchown(fd, owner.uid, owner.gid);
    const { exec, environment } = image;
    const program = { exec, environment, logs: [stdout[1], stderr[1]] as const };
    const child = ActionLoopChild.start(program, spawner, reactor, resourceTable, beforeReaping);
    if (typeof child === 'string') {
      closeAll();
      return child;
    }
    const streams = [child.stdin, stdout[0], stderr[0], child.answers].map(linkOf);
    for (const [, theirs] of [stdout, stderr]) close(theirs);
    return new LoadingProcess(child, streams, [stdout[0], stderr[0]], parts);
  }

  private constructor(
    child: ActionLoopChild,
    streams: readonly string[],
    [stdout, stderr]: readonly [number, number],
    parts: LoadingParts,
  ) {
    this.child = child;
    this.streams = streams;
    this.#parts = parts;
    this.#logs = [
      new LogPipe(stdout, parts, (bytes) => parts.log('stdout', bytes)),
      new LogPipe(stderr, parts, (bytes) => parts.log('stderr', bytes)),
    ];
    this.#answersWatch = parts.reactor.add(child.answers, READABLE, () => this.#readAnswers());
    void child.exited.then(() => this.#unwatch());
  }

  /** Hands on what it has written to its logs until now. */
  readLogs(): void {
    for (const log of this.#logs) log.readAll();
  }

  /** All that it has written on descriptor 3 until now. */
  takeAnswers(): Buffer {
    this.#readAnswers();
    return Buffer.concat(this.#written);
  }

  /** Gives back our ends of its stdin and of descriptor 3. */
  close(): void {
    this.#unwatch();
    this.child.closePipes();
  }

  /** Ends it, with its process group. */
  kill(): void {
    this.child.kill('SIGKILL');
    this.close();
  }

  #readAnswers(): void {
    while (this.#answersWatch !== undefined) {
      const count = read(this.child.answers, chunk, CHUNK_BYTES);
      if (count < 0 && errno() === constants.errno.EINTR) continue;
      if (count <= 0) {
        if (count === 0) this.#unwatch();
        return;
      }
      this.#writtenBytes += count;
      const bytes = Buffer.from(chunk.subarray(0, count));
      if (this.#writtenBytes <= MAX_ANSWER_BYTES) this.#written.push(bytes);
      if (bytes.includes(LINE_FEED)) {
        const all = Buffer.concat(this.#written);
        this.#resolveFirstLine(all.subarray(0, all.indexOf(LINE_FEED) + 1));
      }
    }
  }

  #unwatch(): void {
    if (this.#answersWatch !== undefined) this.#parts.reactor.remove(this.#answersWatch);
    this.#answersWatch = undefined;
  }
}

/** Reads a log until nobody writes to it any more. */
class LogPipe {
  readonly #fd: number;
  readonly #parts: LoadingParts;
  readonly #lines: LineSplitter;
  readonly #entry: number;
  readonly #watch: Watch;
  #closed = false;

  constructor(fd: number, parts: LoadingParts, log: (bytes: Buffer) => void) {
    this.#fd = fd;
    this.#parts = parts;
    this.#lines = new LineSplitter(MAX_LOG_LINE_BYTES, log);
    this.#entry = parts.resourceTable.open();
    parts.resourceTable.set(this.#entry, STDOUT, fd + 1);
    this.#watch = parts.reactor.add(fd, READABLE, () => this.#read());
  }

  /** No more than a pipe holds: another process may go on writing for ever. */
  readAll(): void {
    for (let left = MAX_PIPE_BYTES; left > 0; ) {
      const count = this.#closed ? 0 : this.#read();
      if (count === 0) return;
      left -= count;
    }
  }

  /** @returns how many bytes came; 0 where there are none now, or will be none */
  #read(): number {
    const count = read(this.#fd, chunk, CHUNK_BYTES);
    if (count > 0) {
      this.#lines.push(chunk.subarray(0, count));
      return count;
    }
    const error = count < 0 ? errno() : 0;
    if (error === constants.errno.EAGAIN || error === constants.errno.EINTR) return 0;
    this.#closed = true;
    this.#lines.end();
    this.#parts.reactor.remove(this.#watch);
    this.#parts.resourceTable.clear(this.#entry, STDOUT);
    this.#parts.resourceTable.close(this.#entry);
    close(this.#fd);
    return 0;
  }
}

function openLogPipe(): readonly [ours: number, theirs: number] | undefined {
  if (pipe2(ends, O_CLOEXEC) !== 0) return undefined;
  const [ours, theirs] = ends as unknown as [number, number];
  setNonBlocking(ours);
  return [ours, theirs];
}

/** A pipe has one number for both ends. */
function linkOf(fd: number): string {
  return readlinkSync(`/proc/self/fd/${fd}`);
}
