/** Bytes on their way: a body that comes, or a large answer that goes. */
export interface Transfer {
  /** How many have been moved. */
  readonly movedBytes: number;
  /** Keeps the front end's own timer from ending the connection. */
  prolong(): void;
  /** Nothing has moved for too long. */
  stalled(): void;
}

/** Shorter than the shortest time after which uWebSockets ends a connection: 8 s. */
const TICK_MS = 2500;

interface Progress {
  bytes: number;
  stillTicks: number;
}

/**
 * Ends transfers that stand still, and keeps alive those that do not. It counts ticks of a timer, not time: a transfer does
 * not end because the container was frozen amid it (C-PLAT-08).
 */
export class Transfers {
  readonly #maxStillTicks: number;
  readonly #progress = new Map<Transfer, Progress | undefined>();
  #timer: NodeJS.Timeout | undefined;

  /** @param stallMs how long a transfer may stand still, rounded up to ticks of 2.5 s; 0: for ever */
  constructor(stallMs: number) {
    this.#maxStillTicks = stallMs === 0 ? Infinity : Math.ceil(stallMs / TICK_MS);
  }

  add(transfer: Transfer): void {
    this.#progress.set(transfer, undefined);
    // It outlives the short ones: a timer for each would cost more than they do.
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  delete(transfer: Transfer): void {
    this.#progress.delete(transfer);
  }

  #tick(): void {
    if (this.#progress.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    for (const [transfer, progress] of this.#progress) {
      const bytes = transfer.movedBytes;
      if (progress?.bytes !== bytes) {
        this.#progress.set(transfer, { bytes, stillTicks: 0 });
        transfer.prolong();
      } else if (++progress.stillTicks < this.#maxStillTicks) {
        transfer.prolong();
      } else {
        this.#progress.delete(transfer);
        transfer.stalled();
      }
    }
  }
}
