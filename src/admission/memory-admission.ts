import { readFileSync } from 'node:fs';
import type { MemoryGroup } from '../os/memory-group.js';
import type { Admission } from './admission.js';
import { MemoryLimiter } from './memory-limiter.js';

/** How often memory is looked at while the limit may change soon, and else. */
const CLOSE_MS = 25;
const USUAL_MS = 250;
/** So many first looks at an action are close. */
const CLOSE_LOOKS = 40;
const PAGE_BYTES = 4096;

/**
 * Holds the number of activations under way to what the container's memory allows, so that they wait instead of being
 * killed (docs/decisions/0021-memory-admission.md). Memory is looked at while activations are under way; at rest nothing wakes up.
 */
export class MemoryAdmission {
  readonly #group: MemoryGroup;
  readonly #limiter: MemoryLimiter;
  readonly #admission: Admission;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;

  /** @param limitBytes that of the group */
  constructor(group: MemoryGroup, limitBytes: number, admission: Admission) {
    this.#group = group;
    this.#limiter = new MemoryLimiter(limitBytes);
    this.#admission = admission;
    this.#sample();
  }

  /** An activation has come: cheap enough for each. */
  touch(): void {
    this.#timer ??= setTimeout(() => this.#look(), this.#intervalMs).unref();
  }

  /** Another action serves from now on. */
  reset(): void {
    this.#looks = 0;
    this.#limiter.reset();
    this.#sample();
  }

  get #intervalMs(): number {
    const { inFlight, queued } = this.#admission;
    const isClose = this.#looks < CLOSE_LOOKS || queued > 0 || 2 * inFlight > this.#limiter.maxInFlight;
    return isClose ? CLOSE_MS : USUAL_MS;
  }

  #look(): void {
    this.#timer = undefined;
    this.#looks++;
    this.#sample();
    if (this.#admission.inFlight > 0) this.touch();
  }

  #sample(): void {
    const { inFlight, ended } = this.#admission;
    const usedBytes = this.#group.unreclaimableBytes;
    if (usedBytes !== undefined) {
      const [nowMs, serverBytes, oomKills] = [performance.now(), ownBytes(), this.#group.oomKills ?? 0];
      this.#limiter.add({ nowMs, usedBytes, serverBytes, oomKills, inFlight, ended });
    }
    this.#admission.setMemoryLimit(this.#limiter.maxInFlight);
  }
}

/** What this process has resident, without files (proc_pid_statm(5)). */
function ownBytes(): number {
  const [, resident = 0, shared = 0] = readFileSync('/proc/self/statm', 'latin1').split(' ').map(Number);
  return (resident - shared) * PAGE_BYTES;
}
