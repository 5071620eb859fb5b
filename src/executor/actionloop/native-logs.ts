import { close, fchown, O_CLOEXEC, pipe2, read } from '../../os/libc.js';
import { setBlocking, setNonBlocking } from '../../os/pipes.js';
import { READABLE, type Reactor, type Watch } from '../../os/reactor.js';
import type { ActionUser } from '../../os/rights.js';
import type { LogLossCounter } from '../../shared-memory/log-losses.js';
import type { WorkerSettings } from '../../threads/messages.js';
import { type LogDescriptor, lossCountersOf, openProcessLogs } from './log-descriptors.js';

const CHUNK_BYTES = 64 * 1024;
const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
const ends = new Int32Array(2);

/** The stdout and stderr of one process. */
interface Opened {
  readonly descriptors: readonly [stdout: number, stderr: number];
  /** To be called once the process has been started. */
  close(): void;
}

/** Opens stdout and stderr for the processes that a worker thread starts. */
export class NativeLogs {
  readonly #settings: WorkerSettings;
  readonly #unread: readonly [stdout: UnreadLog, stderr: UnreadLog];

  constructor(settings: WorkerSettings, reactor: Reactor) {
    this.#settings = settings;
    const owner = settings.rights?.user;
    const [stdout, stderr] = lossCountersOf(settings);
    this.#unread = [new UnreadLog(stdout, reactor, owner), new UnreadLog(stderr, reactor, owner)];
  }

  open(): Opened {
    const { stdout, stderr, close } = openProcessLogs(this.#settings);
    return { descriptors: [this.#descriptor(stdout, 0), this.#descriptor(stderr, 1)], close };
  }

  /** Counts what is left as lost, and closes what was opened here. */
  close(): void {
    for (const log of this.#unread) log.close();
  }

  #descriptor(log: LogDescriptor, index: 0 | 1): number {
    if (log === 'unread') return this.#unread[index].fd ?? this.#settings.logs[index];
    setBlocking(log.fd);
    return log.fd;
  }
}

interface Pipe {
  readonly read: number;
  readonly write: number;
  readonly watch: Watch;
}

/** Stands in for a log that nobody reads any more, and would end whoever writes to it: a pipe whose bytes are counted as lost. */
class UnreadLog {
  readonly #losses: LogLossCounter;
  readonly #reactor: Reactor;
  readonly #owner: ActionUser | undefined;
  #pipe: Pipe | undefined;

  /** @param owner whom the pipe belongs to, so that a process of that user can open /dev/stdout; undefined: the server's user */
  constructor(losses: LogLossCounter, reactor: Reactor, owner: ActionUser | undefined) {
    this.#losses = losses;
    this.#reactor = reactor;
    this.#owner = owner;
  }

  /** The end that processes write to; undefined where there is no descriptor for it. */
  get fd(): number | undefined {
    this.#pipe ??= this.#open();
    return this.#pipe?.write;
  }

  close(): void {
    if (this.#pipe === undefined) return;
    this.#count(this.#pipe.read);
    this.#reactor.remove(this.#pipe.watch);
    close(this.#pipe.read);
    close(this.#pipe.write);
    this.#pipe = undefined;
  }

  #open(): Pipe | undefined {
    if (pipe2(ends, O_CLOEXEC) !== 0) return undefined;
    const [readEnd, write] = ends as unknown as [number, number];
    setNonBlocking(readEnd);
    if (this.#owner !== undefined) fchown(readEnd, this.#owner.uid, this.#owner.gid);
    const watch = this.#reactor.add(readEnd, READABLE, () => this.#count(readEnd));
    return { read: readEnd, write, watch };
  }

  #count(fd: number): void {
    this.#losses.bytes(read(fd, chunk, CHUNK_BYTES));
  }
}
