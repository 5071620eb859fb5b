import { uptime } from 'node:os';
import { killLeftovers } from './leftover-processes.js';

/** The kernel notes start times in steps of 10 ms: within one step nobody can tell what came first. */
const STEP_SECONDS = 0.01;

/**
 * Kills every process that activations leave behind, daemons with sessions of their own too (C-RUN-25, `all`).
 *
 * Nothing tells whose an orphan is once its parents have ended. So it is killed as soon as every activation
 * that was under way when it came to life is over: at once, where there was only one.
 */
export class LeftoverSweeper {
  readonly #inFlight = new Set<{ readonly sinceSeconds: number }>();
  readonly #killed: (count: number) => void;

  /** @param killed is told how many were killed */
  constructor(killed: (count: number) => void) {
    this.#killed = killed;
  }

  /** An activation begins. @returns ends it */
  begin(): () => void {
    const activation = { sinceSeconds: uptime() };
    this.#inFlight.add(activation);
    return () => {
      this.#inFlight.delete(activation);
      // The oldest is the first: a set keeps the order.
      const oldest = this.#inFlight.values().next().value;
      const before = oldest === undefined ? Infinity : oldest.sinceSeconds - STEP_SECONDS;
      const count = killLeftovers(before);
      if (count > 0) this.#killed(count);
    };
  }
}
