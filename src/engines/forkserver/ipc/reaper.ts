import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { close, kill, pidfdOpen, wait4 } from '../../../os/libc.js';
import { statFields } from '../../../os/proc-stat.js';
import { READABLE, type Reactor } from '../../../os/reactor.js';
import { PIDFD, type ResourceTable } from '../../../shared-memory/resource-table.js';
import { WALL, WNOHANG } from '../../native-code/libc-calls.js';

const RETRY_MS = 1000;
const status = new Int32Array(1);

/** A child whose end is waited for. */
export interface ChildHandle {
  readonly pid: number;
  /** Stops watching it; the caller now owns the pidfd that is returned. */
  release(): number;
  /** Kills it, if it has not ended; a stopped one would not end by itself. */
  kill(): void;
}

/** Reaps processes of a thread that are nobody's activation: templates, prewarmed clones, clones that failed. */
export class Reaper {
  /** The folder in /proc of the thread whose children they are. */
  parent: string;
  readonly #reactor: Reactor;
  readonly #resourceTable: ResourceTable;
  readonly #watched = new Set<number>();
  #sweep: NodeJS.Timeout | undefined;
  /** Dead unknown children at the last sweep. */
  #deadUnknown = new Set<number>();
  #closed = false;

  constructor(reactor: Reactor, resourceTable: ResourceTable, parent: string) {
    this.#reactor = reactor;
    this.#resourceTable = resourceTable;
    this.parent = parent;
  }

  /**
   * Reaps a child once it ends, without waiting for that.
   *
   * @param known a pidfd of it, which is given over
   * @returns undefined where there is no descriptor to watch it with: then it is swept up
   */
  watchChild(pid: number, known?: number): ChildHandle | undefined {
    const pidfd = known ?? pidfdOpen(pid);
    if (pidfd < 0) {
      this.scheduleSweep(() => true);
      return undefined;
    }
    const entry = this.#resourceTable.open();
    this.#resourceTable.set(entry, PIDFD, pidfd + 1);
    this.#watched.add(pid);
    const release = (): void => {
      this.#reactor.remove(watch);
      this.#resourceTable.clear(entry, PIDFD);
      this.#resourceTable.close(entry);
      this.#watched.delete(pid);
    };
    const watch = this.#reactor.add(pidfd, READABLE, () => {
      release();
      close(pidfd);
      reapChild(pid);
    });
    return {
      pid,
      kill: () => {
        if (this.#watched.has(pid)) kill(pid, constants.signals.SIGKILL);
      },
      release: () => {
        release();
        return pidfd;
      },
    };
  }

  /**
   * Reaps, in a while, whatever child has ended without anybody knowing its number: a clone that was killed before it
   * could tell it. One that was found dead twice is nobody's: another thread would have reaped its own meanwhile.
   *
   * @param isAllowed whether no clone is on its way: one that has just ended may be about to tell
   */
  scheduleSweep(isAllowed: () => boolean): void {
    if (this.#closed) return;
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      if (!isAllowed()) {
        this.scheduleSweep(isAllowed);
        return;
      }
      const dead = this.unknownChildren().filter((pid) => stateOf(pid) === 'Z');
      for (const pid of dead) if (this.#deadUnknown.has(pid)) reapChild(pid);
      const left = dead.filter((pid) => !this.#deadUnknown.has(pid));
      this.#deadUnknown = new Set(left);
      if (left.length > 0) this.scheduleSweep(isAllowed);
    }, RETRY_MS).unref();
  }

  /**
   * Children whose process ids this thread does not know: clones that have not reported yet, running or dead. None if
   * in doubt.
   */
  unknownChildren(): number[] {
    if (!this.#resourceTable.isComplete) return [];
    const known = new Set([...this.#resourceTable.pidsOfAll(), ...this.#watched]);
    return childrenOf(this.parent).filter((pid) => !known.has(pid));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#sweep);
  }
}

function reapChild(pid: number): void {
  wait4(pid, status, WALL | WNOHANG, null);
}

function childrenOf(thread: string): number[] {
  try {
    return readFileSync(`${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    // That thread has ended.
    return [];
  }
}

/** The letter of its state (proc(5)); empty when there is no such process. */
export function stateOf(pid: number): string {
  return fieldsOf(pid)[0] ?? '';
}

/** Its parent (proc(5)); 0 when there is no such process. */
export function parentOf(pid: number): number {
  return Number(fieldsOf(pid)[1] ?? 0);
}

/** Its process group (proc(5)); 0 when there is no such process. */
export function groupOf(pid: number): number {
  return Number(fieldsOf(pid)[2] ?? 0);
}

function fieldsOf(pid: number): readonly string[] {
  try {
    return statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return [];
  }
}
