import type { Sink } from './sink.js';

/** Per stream, shared by all threads: who is writing, and in the middle of what line the sink stands. */
const LOCK = 0;
const MIDDLE = 1;
export const SHARED_FIELDS = 2;

/** Beyond this much waiting for the sink, actions are held back (D-19). */
const CONGESTED_BYTES = 256 * 1024;
const LINE_BREAK = Buffer.from('\n');
const RETRY_MS = 1;

/** Buffers for what has to wait: as large as what comes out of a pipe at once. */
const SPARE_BYTES = 64 * 1024;
const WORTH_SPARING_BYTES = 8 * 1024;
const MOST_SPARES = 4;

/** The writer of a line that belongs to no activation, such as a sentinel. */
export const NOBODY = 0;

interface Piece {
  readonly owner: number;
  readonly bytes: Uint8Array;
  written: number;
  readonly release: (() => void) | undefined;
}

interface Waiter {
  /** How many bytes must have been written. */
  readonly position: number;
  readonly callback: () => void;
}

/**
 * One thread's way to the server's own stdout or stderr, which all threads share: a line that was handed
 * over in one call comes out in one piece, whoever else writes (C-LOG-05), in the order of the calls.
 *
 * A line handed over in several calls (one too long to be held) may be parted by others' lines: a line break
 * goes before them. A sink that breaks (EPIPE) swallows the rest; the server goes on (D-19).
 */
export class LogStream {
  /** Bytes that could not be written, because the sink is broken. */
  lostBytes = 0;
  readonly #sink: Sink;
  readonly #shared: Int32Array;
  readonly #self: number;
  readonly #queue: Piece[] = [];
  readonly #waiters: Waiter[] = [];
  readonly #relief: (() => void)[] = [];
  readonly #spares: Buffer[] = [];
  #accepted = 0;
  #written = 0;
  #waiting = false;
  #broken = false;

  /**
   * @param shared {@link SHARED_FIELDS} numbers, the same for this stream in every thread
   * @param slot the thread's number, unique among those that live
   * @param index 0 for stdout, 1 for stderr: both may lead to one file, and then share their numbers
   */
  constructor(sink: Sink, shared: Int32Array, slot: number, index: 0 | 1) {
    this.#sink = sink;
    this.#shared = shared;
    this.#self = writerOf(slot, index);
  }

  /** Whether so much waits that whoever feeds the stream should stop for now. */
  get congested(): boolean {
    return this.#accepted - this.#written > CONGESTED_BYTES;
  }

  /**
   * Writes bytes, now or when the sink has room.
   *
   * @param owner whose line it is: a number of the activation's own, or {@link NOBODY}
   * @param release called when the bytes are no longer needed; without it the buffer may be used again after
   *   the call, and is copied where it has to wait
   */
  write(owner: number, bytes: Uint8Array, release?: () => void): void {
    if (bytes.length === 0) return;
    this.#accepted += bytes.length;
    const piece: Piece = { owner, bytes, written: 0, release };
    if (!this.#waiting && this.#queue.length === 0 && this.#put(piece)) {
      this.#written += bytes.length;
      release?.();
      return;
    }
    this.#queue.push(release === undefined ? this.#copied(piece) : piece);
    this.#awaitRoom();
  }

  /** Calls back as soon as everything handed over so far has been written (at once, where it has). */
  whenWritten(callback: () => void): void {
    if (this.#written >= this.#accepted) callback();
    else this.#waiters.push({ position: this.#accepted, callback });
  }

  /** Calls back once, when the stream is no longer congested. */
  whenRelieved(callback: () => void): void {
    this.#relief.push(callback);
  }

  /** The piece in memory of its own. Large ones take turns in a few buffers: a log of 1 GB is no garbage. */
  #copied(piece: Piece): Piece {
    const { owner, bytes, written } = piece;
    if (bytes.length < WORTH_SPARING_BYTES || bytes.length > SPARE_BYTES) {
      return { ...piece, bytes: Uint8Array.from(bytes) };
    }
    const room = this.#spares.pop() ?? Buffer.allocUnsafeSlow(SPARE_BYTES);
    room.set(bytes);
    const release = (): void => {
      if (this.#spares.length < MOST_SPARES) this.#spares.push(room);
    };
    return { owner, bytes: room.subarray(0, bytes.length), written, release };
  }

  /** @returns whether the piece is written wholly (or swallowed) */
  #put(piece: Piece): boolean {
    if (this.#broken) return this.#swallow(piece);
    const shared = this.#shared;
    this.#lock();
    try {
      const middle = Atomics.load(shared, MIDDLE);
      // Another thread has handed over part of a whole line and goes on as soon as it can.
      if (middle > 0 && middle !== this.#self) return false;
      if (middle < 0 && -middle !== piece.owner) {
        if (this.#sink.tryWrite(LINE_BREAK) === 0) return false;
        Atomics.store(shared, MIDDLE, 0);
      }
      while (piece.written < piece.bytes.length) {
        const count = this.#sink.tryWrite(
          piece.written === 0 ? piece.bytes : piece.bytes.subarray(piece.written),
        );
        if (count === 0) {
          if (piece.written > 0) Atomics.store(shared, MIDDLE, this.#self);
          return false;
        }
        piece.written += count;
      }
      const ended = piece.bytes[piece.bytes.length - 1] === LINE_BREAK[0];
      Atomics.store(shared, MIDDLE, ended ? 0 : -piece.owner);
      return true;
    } catch {
      Atomics.store(shared, MIDDLE, 0);
      this.#broken = true;
      return this.#swallow(piece);
    } finally {
      this.#unlock();
    }
  }

  #swallow(piece: Piece): boolean {
    this.lostBytes += piece.bytes.length - piece.written;
    return true;
  }

  /** Held for a few calls that never wait, so waiting for it is short. */
  #lock(): void {
    let holder = Atomics.compareExchange(this.#shared, LOCK, 0, this.#self);
    while (holder !== 0) {
      Atomics.wait(this.#shared, LOCK, holder);
      holder = Atomics.compareExchange(this.#shared, LOCK, 0, this.#self);
    }
  }

  #unlock(): void {
    Atomics.store(this.#shared, LOCK, 0);
    Atomics.notify(this.#shared, LOCK, 1);
  }

  #awaitRoom(): void {
    if (this.#waiting) return;
    this.#waiting = true;
    const goOn = (): void => {
      this.#waiting = false;
      this.#flush();
    };
    // Where another thread is in the middle of a line the sink may well be writable: its turn comes soon.
    const middle = Atomics.load(this.#shared, MIDDLE);
    if (middle > 0 && middle !== this.#self) setTimeout(goOn, RETRY_MS);
    else this.#sink.whenWritable(goOn);
  }

  #flush(): void {
    for (let piece = this.#queue[0]; piece !== undefined; piece = this.#queue[0]) {
      if (!this.#put(piece)) {
        this.#awaitRoom();
        break;
      }
      this.#queue.shift();
      this.#written += piece.bytes.length;
      piece.release?.();
    }
    while (this.#waiters[0] !== undefined && this.#waiters[0].position <= this.#written) {
      this.#waiters.shift()?.callback();
    }
    if (!this.congested) for (const callback of this.#relief.splice(0)) callback();
  }
}

/** Lets go of what a dead thread held, so that the others can write on (D-24). */
export function releaseStream(shared: Int32Array, slot: number): void {
  for (const index of [0, 1] as const) {
    const writer = writerOf(slot, index);
    Atomics.compareExchange(shared, MIDDLE, writer, -1);
    if (Atomics.compareExchange(shared, LOCK, writer, 0) === writer) Atomics.notify(shared, LOCK, 1);
  }
}

/** A number above 0 that no other stream of any thread has. */
function writerOf(slot: number, index: 0 | 1): number {
  return 2 * slot + index + 1;
}
