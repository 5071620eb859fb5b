import { constants } from 'node:os';
import { errno, write } from './libc.js';
import { setNonBlocking } from './pipes.js';
import type { Reactor, Watch } from './reactor.js';
import { WRITABLE } from './reactor.js';

/**
 * What an empty pipe takes without blocking whatever the system's limits are: a user over
 * pipe-user-pages-soft gets pipes of one page (pipe(7)).
 */
export const MIN_PIPE_BYTES = 4096;

/**
 * Writes the arguments into an action's stdin without ever waiting, and calls back once all is written, or
 * once nobody reads it any more: an action need not read its stdin (C-RUN-07).
 */
export class StdinWriter {
  #rest: Buffer;
  #watch: Watch | undefined;
  readonly #reactor: Reactor;
  readonly #fd: number;
  readonly #done: () => void;

  constructor(reactor: Reactor, fd: number, bytes: Buffer, done: () => void) {
    this.#reactor = reactor;
    this.#fd = fd;
    this.#rest = bytes;
    this.#done = done;
    if (bytes.length > MIN_PIPE_BYTES) setNonBlocking(fd);
    this.#write();
  }

  /** Ends the watch; the descriptor stays the caller's. */
  stop(): void {
    if (this.#watch !== undefined) this.#reactor.remove(this.#watch);
    this.#watch = undefined;
  }

  #write(): void {
    while (this.#rest.length > 0) {
      const written = write(this.#fd, this.#rest, this.#rest.length);
      if (written < 0) {
        const error = errno();
        if (error === constants.errno.EINTR) continue;
        if (error === constants.errno.EAGAIN) {
          this.#watch ??= this.#reactor.add(this.#fd, WRITABLE, () => this.#write());
          return;
        }
        break;
      }
      this.#rest = this.#rest.subarray(written);
    }
    this.stop();
    this.#done();
  }
}
