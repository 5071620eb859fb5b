import type { BodyPiece } from '../http/exchange.js';
import { freeBuffer } from '../os/idle-gc.js';
import type { ByteBudget, ByteReservation } from '../shared-memory/byte-budget.js';

/** The first room of a body that does not come in one piece. */
const MIN_BUFFER_BYTES = 16 * 1024;
/** What has come stands for that many times as much of what was announced, but not for more. */
const ANNOUNCED_GROWTH = 4;
/** Without a Content-Length, and where the budget does not have so much. */
const GROWTH = 2;
const SHORT_GROWTH = 1.25;

/** Why a body is not taken: it can never be, or others have the memory now. */
export type BodyRefusal = 'too-large' | 'buffers-full';

/**
 * The bytes of a request body while it comes. Room is made by what has come, not by what was announced, and all of
 * it counts against the common budget.
 */
export class BodyBuffer {
  readonly #budget: ByteBudget;
  readonly #reservation: ByteReservation;
  readonly #maxBytes: number;
  readonly #announcedBytes: number | undefined;
  #buffer: Uint8Array = EMPTY;
  #length = 0;

  /**
   * @param announcedBytes the body's Content-Length; undefined if it has none
   * @param maxBytes the largest body
   */
  constructor(budget: ByteBudget, announcedBytes: number | undefined, maxBytes: number) {
    this.#budget = budget;
    this.#reservation = budget.reserve();
    this.#maxBytes = Math.min(maxBytes, budget.limitBytes);
    this.#announcedBytes = announcedBytes;
  }

  /** How much has come. */
  get length(): number {
    return this.#length;
  }

  /** Whether what was announced can be taken at all, and as things stand now. */
  get refusal(): BodyRefusal | undefined {
    const bytes = this.#announcedBytes ?? 0;
    if (bytes > this.#maxBytes) return 'too-large';
    return bytes > this.#budget.freeBytes ? 'buffers-full' : undefined;
  }

  /**
   * Takes a piece, which is valid during the call only.
   *
   * @returns why the body can't be taken; undefined if it can as yet
   */
  add(piece: BodyPiece, isLast: boolean): BodyRefusal | undefined {
    const needed = this.#length + piece.byteLength;
    if (needed > this.#maxBytes) return 'too-large';
    if (isLast && this.#length === 0) {
      if (!this.#reservation.resize(needed)) return 'buffers-full';
      this.#buffer = copyOf(piece);
    } else {
      if (needed > this.#buffer.length && !this.#grow(needed, isLast)) return 'buffers-full';
      this.#buffer.set(piece instanceof Uint8Array ? piece : new Uint8Array(piece), this.#length);
    }
    this.#length = needed;
    return undefined;
  }

  /** The whole body, in a buffer of its own, and what it takes of the budget until that is released. */
  take(): { readonly body: Uint8Array; readonly reservation: ByteReservation } {
    return { body: this.#buffer.subarray(0, this.#length), reservation: this.#reservation };
  }

  /** Gives all up. */
  discard(): void {
    freeBuffer(this.#buffer);
    this.#buffer = EMPTY;
    this.#reservation.release();
  }

  #grow(needed: number, isLast: boolean): boolean {
    const most = Math.min(this.#announcedBytes ?? this.#maxBytes, this.#maxBytes);
    const capacityFor = (factor: number): number =>
      Math.min(most, Math.max(Math.ceil(needed * factor), MIN_BUFFER_BYTES));
    const sizes =
      this.#announcedBytes === undefined
        ? [isLast ? needed : capacityFor(GROWTH), capacityFor(SHORT_GROWTH)]
        : [capacityFor(ANNOUNCED_GROWTH), capacityFor(SHORT_GROWTH)];
    const bytes = sizes.find((one) => this.#reservation.resize(one));
    if (bytes === undefined) return false;
    // The system gives pages of it when they are written, not before.
    const room = new Uint8Array(bytes);
    room.set(this.#buffer.subarray(0, this.#length));
    freeBuffer(this.#buffer);
    this.#buffer = room;
    return true;
  }
}

const EMPTY = new Uint8Array(0);

function copyOf(piece: BodyPiece): Uint8Array {
  if (!(piece instanceof Uint8Array)) return new Uint8Array(piece.slice(0));
  const copy = new Uint8Array(piece.byteLength);
  copy.set(piece);
  return copy;
}
