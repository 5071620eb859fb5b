import type { LogLossCounter } from '../../shared-memory/log-losses.js';
import { Mutex } from '../../shared-memory/mutex.js';
import { SharedTable } from '../../shared-memory/shared-table.js';
import type { Sink } from './sink.js';

/** Per stream, shared by all threads: who is writing, and in the middle of what line the sink stands. */
const LOCK = 0;
const MID_LINE = 1;
export const LOG_TABLE = new SharedTable(Int32Array, 0, 2);

/** Beyond this much waiting for the sink, actions are held back, and what nobody waits for is dropped. */
const CONGESTED_BYTES = 256 * 1024;
const LINE_BREAK = Buffer.from('\n');
/** While another thread is in the middle of a line its end is looked for at growing intervals. */
const MIN_RETRY_MS = 1;
const MAX_RETRY_MS = 64;
/** The lock is held for calls that never wait; a thread that was ended meanwhile must not hold up the others. */
const MAX_LOCK_WAIT_MS = 100;

/** Buffers for what has to wait: as large as what comes out of a pipe at once. */
const POOLED_BUFFER_BYTES = 64 * 1024;
const MIN_POOLED_BYTES = 8 * 1024;
const MAX_POOLED_BUFFERS = 4;

/** The owner number of a line that belongs to no activation, such as a sentinel. */
export const NO_OWNER = 0;

interface QueuedPiece {
  readonly owner: number;
  readonly bytes: Uint8Array;
  written: number;
  readonly release: (() => void) | undefined;
  /** Those who wait until this piece, and with it all before it, has been written or dropped. */
  readonly waiters: Set<Waiter>;
}

interface Waiter {
  readonly callback: () => void;
  /** What it waits for. */
  piece: QueuedPiece | undefined;
}

/** Something that is waited for. */
export interface LogWait {
  /** Takes the callback back; no effect once it has been called. */
  cancel(): void;
}

const NO_WAIT: LogWait = { cancel: () => {} };

/**
 * One thread's way to the server's own stdout or stderr, which all threads share: a line that was handed
 * over in one call comes out in one piece, whoever else writes (C-LOG-05), in the order of the calls.
 *
 * A line handed over in several calls (one too long to be held) may be parted by others' lines: a line break
 * goes before them. A sink that breaks (EPIPE) swallows the rest; the server goes on (C-LOG-01). Nothing in here waits
 * for the sink's reader; what could not be written is counted.
 */
export class LogStream {
  readonly #sink: Sink;
  readonly #shared: Int32Array;
  readonly #self: number;
  readonly #mutex: Mutex;
  readonly #losses: LogLossCounter | undefined;
  #queue: QueuedPiece[] = [];
  readonly #congestionWaiters = new Set<{ readonly callback: () => void }>();
  readonly #bufferPool: Buffer[] = [];
  #waitingBytes = 0;
  #waiting = false;
  #retryMs = MIN_RETRY_MS;
  #broken = false;

  /**
   * @param shared a slot of {@link LOG_TABLE}, the same for this stream in every thread
   * @param slot the thread's number, unique among those that live
   * @param index 0 for stdout, 1 for stderr: both may lead to one file, and then share their numbers
   * @param losses counts what could not be written; undefined: nobody asks
   */
  constructor(sink: Sink, shared: Int32Array, slot: number, index: 0 | 1, losses?: LogLossCounter) {
    this.#sink = sink;
    this.#shared = shared;
    this.#self = writerOf(slot, index);
    this.#mutex = new Mutex(shared, LOCK, this.#self);
    this.#losses = losses;
  }

  /** Whether so much waits that whoever feeds the stream should stop for now. */
  get congested(): boolean {
    return this.#waitingBytes > CONGESTED_BYTES;
  }

  /**
   * Writes bytes, now or when the sink has room.
   *
   * @param owner whose line it is: a number of the activation's own, or {@link NO_OWNER}
   * @param release called when the bytes are no longer needed; without it the buffer may be used again after
   *   the call, and is copied where it has to wait
   */
  write(owner: number, bytes: Uint8Array, release?: () => void): void {
    if (bytes.length === 0) return;
    const piece: QueuedPiece = { owner, bytes, written: 0, release, waiters: new Set() };
    if (!this.#waiting && this.#queue.length === 0 && this.#writePiece(piece)) {
      release?.();
      return;
    }
    this.#waitingBytes += bytes.length - piece.written;
    this.#queue.push(release === undefined ? this.#copied(piece) : piece);
    this.#awaitRoom();
  }

  /**
   * As {@link write}, for an owner that nobody waits for any more: a congested stream drops the bytes.
   *
   * @returns whether they were taken
   */
  writeOrDrop(owner: number, bytes: Uint8Array, release?: () => void): boolean {
    if (!this.congested) {
      this.write(owner, bytes, release);
      return true;
    }
    this.#losses?.bytes(bytes.length);
    release?.();
    return false;
  }

  /** {@link writeOrDrop}s the line that ends an activation's log. @returns whether it was taken */
  writeOrDropSentinel(line: Uint8Array): boolean {
    const taken = this.writeOrDrop(NO_OWNER, line);
    if (!taken) this.#losses?.sentinel();
    return taken;
  }

  /**
   * Where the stream is congested: drops what waits of an owner.
   *
   * @returns how many bytes were dropped
   */
  drop(owner: number): number {
    return this.congested ? this.#drop((piece) => piece.owner === owner) : 0;
  }

  /** Drops all that waits: nothing is written from now on. */
  close(): void {
    this.#broken = true;
    this.#drop(() => true);
  }

  /** Calls back as soon as everything handed over so far has been written or dropped (at once, where it has). */
  whenWritten(callback: () => void): LogWait {
    const piece = this.#queue.at(-1);
    if (piece === undefined) {
      callback();
      return NO_WAIT;
    }
    const waiter: Waiter = { callback, piece };
    piece.waiters.add(waiter);
    return { cancel: () => waiter.piece?.waiters.delete(waiter) };
  }

  /** Calls back once, when the stream is no longer congested. */
  whenUncongested(callback: () => void): LogWait {
    const relief = { callback };
    this.#congestionWaiters.add(relief);
    return { cancel: () => this.#congestionWaiters.delete(relief) };
  }

  /** The piece in memory of its own. Large ones take turns in a few buffers: a log of 1 GB is no garbage. */
  #copied(piece: QueuedPiece): QueuedPiece {
    const { bytes } = piece;
    if (bytes.length < MIN_POOLED_BYTES || bytes.length > POOLED_BUFFER_BYTES) {
      return { ...piece, bytes: Uint8Array.from(bytes) };
    }
    const room = this.#bufferPool.pop() ?? Buffer.allocUnsafeSlow(POOLED_BUFFER_BYTES);
    room.set(bytes);
    const release = (): void => {
      if (this.#bufferPool.length < MAX_POOLED_BUFFERS) this.#bufferPool.push(room);
    };
    return { ...piece, bytes: room.subarray(0, bytes.length), release };
  }

  /** @returns whether the piece is written wholly (or swallowed) */
  #writePiece(piece: QueuedPiece): boolean {
    if (this.#broken) return this.#discardPiece(piece);
    const shared = this.#shared;
    if (!this.#mutex.lock(MAX_LOCK_WAIT_MS)) return false;
    try {
      const middle = Atomics.load(shared, MID_LINE);
      // Another thread has handed over part of a whole line and goes on as soon as it can.
      if (middle > 0 && middle !== this.#self) return false;
      if (middle < 0 && -middle !== piece.owner) {
        if (this.#sink.tryWrite(LINE_BREAK) === 0) return false;
        Atomics.store(shared, MID_LINE, 0);
      }
      while (piece.written < piece.bytes.length) {
        const count = this.#sink.tryWrite(
          piece.written === 0 ? piece.bytes : piece.bytes.subarray(piece.written),
        );
        if (count === 0) {
          if (piece.written > 0) Atomics.store(shared, MID_LINE, this.#self);
          return false;
        }
        piece.written += count;
      }
      const ended = piece.bytes[piece.bytes.length - 1] === LINE_BREAK[0];
      Atomics.store(shared, MID_LINE, ended ? 0 : -piece.owner);
      return true;
    } catch {
      Atomics.store(shared, MID_LINE, 0);
      this.#broken = true;
      return this.#discardPiece(piece);
    } finally {
      this.#mutex.unlock();
    }
  }

  #discardPiece(piece: QueuedPiece): boolean {
    this.#losses?.bytes(piece.bytes.length - piece.written);
    return true;
  }

  #awaitRoom(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const goOn = (): void => {
      this.#waiting = false;
      this.#flush();
    };
    // Where another thread is in the middle of a line the sink may well be writable: its turn comes soon.
    const middle = Atomics.load(this.#shared, MID_LINE);
    if (middle > 0 && middle !== this.#self) {
      setTimeout(goOn, this.#retryMs);
      this.#retryMs = Math.min(2 * this.#retryMs, MAX_RETRY_MS);
    } else this.#sink.whenWritable(goOn);
  }

  #flush(): void {
    for (let piece = this.#queue[0]; piece !== undefined; piece = this.#queue[0]) {
      const before = piece.written;
      const done = this.#writePiece(piece);
      this.#waitingBytes -= (done ? piece.bytes.length : piece.written) - before;
      if (!done) {
        this.#awaitRoom();
        break;
      }
      this.#retryMs = MIN_RETRY_MS;
      this.#queue.shift();
      finish(piece);
    }
    this.#notifyUncongested();
  }

  #drop(isMeant: (piece: QueuedPiece) => boolean): number {
    let dropped = 0;
    const kept: QueuedPiece[] = [];
    const free: QueuedPiece[] = [];
    for (const piece of this.#queue) {
      if (!isMeant(piece)) {
        kept.push(piece);
        continue;
      }
      dropped += piece.bytes.length - piece.written;
      // A line that is partly written is nobody's now: whoever writes next begins a new one.
      if (piece.written > 0) Atomics.compareExchange(this.#shared, MID_LINE, this.#self, -1);
      // Who waited for this one waits for what was before it.
      const before = kept.at(-1);
      if (before !== undefined) moveWaiters(piece, before);
      free.push(piece);
    }
    this.#queue = kept;
    this.#waitingBytes -= dropped;
    this.#losses?.bytes(dropped);
    for (const piece of free) finish(piece);
    this.#notifyUncongested();
    return dropped;
  }

  #notifyUncongested(): void {
    if (this.congested || this.#congestionWaiters.size === 0) return;
    const relieved = [...this.#congestionWaiters];
    this.#congestionWaiters.clear();
    for (const { callback } of relieved) callback();
  }
}

function finish({ release, waiters }: QueuedPiece): void {
  release?.();
  for (const { callback } of waiters) callback();
}

function moveWaiters(from: QueuedPiece, to: QueuedPiece): void {
  for (const waiter of from.waiters) {
    waiter.piece = to;
    to.waiters.add(waiter);
  }
  from.waiters.clear();
}

/**
 * Calls back when both streams have written or dropped what they were given until now (at once, where they have).
 */
export function whenBothWritten(stdout: LogStream, stderr: LogStream, callback: () => void): LogWait {
  let second: LogWait = NO_WAIT;
  const first = stdout.whenWritten(() => {
    second = stderr.whenWritten(callback);
  });
  return {
    cancel: () => {
      first.cancel();
      second.cancel();
    },
  };
}

/** Lets go of what a dead thread held of both streams, so that the others can write on. */
export function releaseStreamsOf(memory: SharedArrayBuffer, slot: number): void {
  for (const shared of LOG_TABLE.slots(memory)) {
    for (const index of [0, 1] as const) {
      const writer = writerOf(slot, index);
      Atomics.compareExchange(shared, MID_LINE, writer, -1);
      new Mutex(shared, LOCK, writer).unlock();
    }
  }
}

/** A number above 0 that no other stream of any thread has. */
function writerOf(slot: number, index: 0 | 1): number {
  return 2 * slot + index + 1;
}
