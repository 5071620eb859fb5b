import { MemoryGroup } from './memory-group.js';

/** How old a count may be that is compared with. */
const MAX_AGE_MS = 250;
const MIB = 1024 * 1024;

/**
 * Tells whether the kernel may have killed a process of the container for lack of memory: the group's count of such kills
 * has risen. Which process it was the kernel does not tell.
 */
export class OomKillDetector {
  #group: MemoryGroup | undefined;
  #count: number | undefined;
  #readMs = Number.NEGATIVE_INFINITY;

  /** Notes the count of kills before this activation, now and then. */
  activationBegins(): void {
    const nowMs = performance.now();
    if (nowMs - this.#readMs < MAX_AGE_MS) return;
    this.#group ??= MemoryGroup.find();
    this.#count = this.#group?.oomKills;
    this.#readMs = nowMs;
  }

  /**
   * @param residentBytes the most that the process had resident; undefined where nobody knows
   * @returns a line for the log of an activation that SIGKILL has ended; undefined if the kernel has killed nothing
   */
  explain(residentBytes: number | undefined): string | undefined {
    const count = this.#group?.oomKills;
    if (count === undefined || count <= (this.#count ?? 0)) return undefined;
    const limitBytes = this.#group?.limitBytes;
    const numbers = [
      ...(limitBytes === undefined ? [] : [`limit ${mebibytes(limitBytes)}`]),
      ...(residentBytes === undefined ? [] : [`this process ${mebibytes(residentBytes)}`]),
    ];
    const detail = numbers.length === 0 ? '' : ` (${numbers.join(', ')})`;
    return `error: killed: the container ran out of memory${detail}`;
  }
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / MIB)} MiB`;
}
