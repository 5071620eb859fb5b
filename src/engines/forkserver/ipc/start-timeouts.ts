import { constants } from 'node:os';
import type { Reply } from './request-block.js';

/** What becomes of a run that was sent: a clone began with it, or none did and none ever will. */
export type CloneOutcome =
  | {
      readonly kind: 'started';
      readonly pid: number;
      /** A pidfd of it, given over; undefined where none is open yet. */
      readonly pidfd?: number;
    }
  | { readonly kind: 'not_cloned' | 'altered' | 'lost' };

/** Reads a reply as an outcome. */
export function cloneOutcomeOf({ pid, error }: Reply): CloneOutcome {
  if (error === 0) return { kind: 'started', pid };
  return { kind: error === constants.errno.ECANCELED ? 'altered' : 'not_cloned' };
}

/** A clone reports within microseconds that it begins; one that is silent for this long hangs, and is killed. */
const MAX_TICKS = 8;
const TICK_MS = 250;

interface PendingStart {
  ticks: number;
  readonly onTimeout: () => void;
}

/**
 * Timeouts of runs that were sent and have not begun. They count ticks of a timer, so that a frozen container does not
 * time out when it thaws (C-PLAT-08).
 */
export class StartTimeouts {
  readonly #pending = new Map<number, PendingStart>();
  #timer: NodeJS.Timeout | undefined;

  /** Whether nothing is on its way. */
  get isIdle(): boolean {
    return this.#pending.size === 0;
  }

  /** @param onTimeout called when the answer does not come; it ends whoever holds the other end of the socket */
  begin(id: number, onTimeout: () => void): void {
    this.#pending.set(id, { ticks: 0, onTimeout });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  end(id: number): void {
    this.#pending.delete(id);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    // Again, where it was of no use: something may have come in between.
    for (const wait of [...this.#pending.values()]) if (++wait.ticks % MAX_TICKS === 0) wait.onTimeout();
    if (this.#pending.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
