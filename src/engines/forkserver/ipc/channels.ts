import type { Channel } from './channel.js';

/** All open channels of a thread. */
export class Channels {
  readonly #open = new Set<Channel>();

  add(channel: Channel): void {
    this.#open.add(channel);
  }

  remove(channel: Channel): void {
    this.#open.delete(channel);
  }

  /** Reads whatever has been told until now, so that all who have begun are known. */
  readAll(): void {
    for (const channel of [...this.#open]) channel.read();
  }
}
