import { watchReadable } from './event-loop-watch.js';
import { close, epollControl, epollCreate, epollWait, O_CLOEXEC } from './libc.js';

export const READABLE = 0x1;
export const WRITABLE = 0x4;
/** Reported without being asked for; of the writing end of a pipe: nobody has the reading end open (epoll_ctl(2)). */
export const ERROR = 0x8;

/** Gets a watched descriptor's events, a mask of the constants above. */
type EventHandler = (events: number) => void;

/** A descriptor under watch. */
export interface Watch {
  readonly slot: number;
  readonly generation: number;
  readonly fd: number;
}

const ADD = 1;
const REMOVE = 2;
const CHANGE = 3;
const BATCH = 256;
/** epoll_event is packed on x86-64 alone: 4 bytes of mask, then at once 8 of data (epoll_event(3type)). */
const DATA_OFFSET = process.arch === 'x64' ? 4 : 8;
const EVENT_BYTES = DATA_OFFSET + 8;

/**
 * Watches any number of descriptors of one thread through one epoll(7) descriptor, which the thread's own
 * event loop watches in turn: hundreds of processes cost the loop one handle, and reads need no trip
 * through libuv's streams.
 *
 * A closed descriptor's number is given out again at once, while events of the old one may still be in the
 * batch: each watch carries a generation, and stale events are dropped.
 */
export class Reactor {
  readonly fd: number;
  readonly #handlers: (EventHandler | undefined)[] = [];
  readonly #generations: number[] = [];
  readonly #free: number[] = [];
  readonly #events = Buffer.alloc(BATCH * EVENT_BYTES);
  readonly #event = Buffer.alloc(EVENT_BYTES);
  #closed = false;
  readonly #unwatch: () => void;

  /** @throws Error where the system has no epoll, or no socket for it */
  constructor() {
    this.fd = epollCreate(O_CLOEXEC);
    if (this.fd < 0) throw new Error('epoll_create1 failed');
    try {
      this.#unwatch = watchReadable(this.fd, () => this.#dispatch());
    } catch (error) {
      close(this.fd);
      throw error;
    }
  }

  /** Watches a descriptor until {@link remove}; a mask of 0 waits for a hang-up or an error only. */
  add(fd: number, events: number, handler: EventHandler): Watch {
    const slot = this.#free.pop() ?? this.#handlers.length;
    const generation = ((this.#generations[slot] ?? 0) + 1) >>> 0;
    this.#generations[slot] = generation;
    this.#handlers[slot] = handler;
    const watch = { slot, generation, fd };
    this.#control(ADD, watch, events);
    return watch;
  }

  /** Changes what is waited for. */
  change(watch: Watch, events: number): void {
    this.#control(CHANGE, watch, events);
  }

  /** Ends a watch; to be called before its descriptor is closed. */
  remove(watch: Watch): void {
    if (this.#generations[watch.slot] !== watch.generation || this.#handlers[watch.slot] === undefined)
      return;
    epollControl(this.fd, REMOVE, watch.fd, this.#event);
    this.#handlers[watch.slot] = undefined;
    this.#free.push(watch.slot);
  }

  close(): void {
    this.#closed = true;
    this.#unwatch();
    close(this.fd);
  }

  #control(operation: number, watch: Watch, events: number): void {
    this.#event.writeUInt32LE(events, 0);
    this.#event.writeUInt32LE(watch.slot, DATA_OFFSET);
    this.#event.writeUInt32LE(watch.generation, DATA_OFFSET + 4);
    if (epollControl(this.fd, operation, watch.fd, this.#event) !== 0) {
      throw new Error(`epoll_ctl failed for descriptor ${watch.fd}`);
    }
  }

  #dispatch(): void {
    if (this.#closed) return;
    const count = epollWait(this.fd, this.#events, BATCH, 0);
    for (let index = 0; index < count; index++) {
      const at = index * EVENT_BYTES;
      const slot = this.#events.readUInt32LE(at + DATA_OFFSET);
      if (this.#generations[slot] !== this.#events.readUInt32LE(at + DATA_OFFSET + 4)) continue;
      this.#handlers[slot]?.(this.#events.readUInt32LE(at));
    }
  }
}
