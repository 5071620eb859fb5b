import { constants } from 'node:os';
import type { Reply } from './request-codec.js';

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
export function outcomeOf({ pid, error }: Reply): CloneOutcome {
  if (error === 0) return { kind: 'started', pid };
  return { kind: error === constants.errno.ECANCELED ? 'altered' : 'not_cloned' };
}

/** A clone says within microseconds that it begins; whoever is silent this long hangs, and is killed. */
const MOST_TICKS = 8;
const TICK_MS = 250;

interface Wait {
  ticks: number;
  readonly giveUp: () => void;
}

/**
 * Looks after the runs that were sent and not yet begun. It counts ticks of its own timer, not time: a container
 * that was frozen has aged by one tick when it thaws (D-20).
 */
export class Patience {
  readonly #waits = new Map<number, Wait>();
  #timer: NodeJS.Timeout | undefined;

  /** Whether nothing is on its way. */
  get idle(): boolean {
    return this.#waits.size === 0;
  }

  /** @param giveUp called when the answer does not come; it ends whoever holds the other end of the socket */
  begin(id: number, giveUp: () => void): void {
    this.#waits.set(id, { ticks: 0, giveUp });
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
  }

  end(id: number): void {
    this.#waits.delete(id);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    // Again, where it was of no use: something may have come in between.
    for (const wait of [...this.#waits.values()]) if (++wait.ticks % MOST_TICKS === 0) wait.giveUp();
    if (this.#waits.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
