import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { type Ledger, PIDFD } from '../../ledger.js';
import { close, kill, pidfdOpen, wait4 } from '../../libc.js';
import { READABLE, type Reactor } from '../../reactor.js';
import { statFields } from '../../stat-fields.js';
import { WALL, WNOHANG } from './native.js';

const RETRY_MS = 1000;
const status = new Int32Array(1);

/** A child whose end is waited for. */
export interface Expected {
  readonly pid: number;
  /** Hands the care for it over, with a pidfd that is now the caller's. */
  take(): number;
  /** Kills it, if it has not ended; a stopped one would not end by itself. */
  kill(): void;
}

/** Reaps processes of a thread that are nobody's activation: templates, spare clones, clones that failed. */
export class Reaper {
  /** The folder in /proc of the thread whose children they are. */
  parent: string;
  readonly #reactor: Reactor;
  readonly #ledger: Ledger;
  readonly #expected = new Set<number>();
  #sweep: NodeJS.Timeout | undefined;
  /** Dead strangers of the last look. */
  #dead = new Set<number>();
  #closed = false;

  constructor(reactor: Reactor, ledger: Ledger, parent: string) {
    this.#reactor = reactor;
    this.#ledger = ledger;
    this.parent = parent;
  }

  /**
   * Reaps a child once it ends, without waiting for that.
   *
   * @param known a pidfd of it, which is given over
   * @returns undefined where there is no descriptor to watch it with: then it is swept up
   */
  expectEnd(pid: number, known?: number): Expected | undefined {
    const pidfd = known ?? pidfdOpen(pid);
    if (pidfd < 0) {
      this.sweepLater(() => true);
      return undefined;
    }
    const entry = this.#ledger.open();
    this.#ledger.set(entry, PIDFD, pidfd + 1);
    this.#expected.add(pid);
    const release = (): void => {
      this.#reactor.remove(watch);
      this.#ledger.clear(entry, PIDFD);
      this.#ledger.close(entry);
      this.#expected.delete(pid);
    };
    const watch = this.#reactor.add(pidfd, READABLE, () => {
      release();
      close(pidfd);
      reap(pid);
    });
    return {
      pid,
      kill: () => {
        if (this.#expected.has(pid)) kill(pid, constants.signals.SIGKILL);
      },
      take: () => {
        release();
        return pidfd;
      },
    };
  }

  /**
   * Reaps, in a while, whatever child has ended without anybody knowing its number: a clone that was killed before it
   * could tell it. One that was found dead twice is nobody's: another thread would have reaped its own meanwhile.
   *
   * @param mayNow whether no clone is on its way: one that has just ended may be about to tell
   */
  sweepLater(mayNow: () => boolean): void {
    if (this.#closed) return;
    this.#sweep ??= setTimeout(() => {
      this.#sweep = undefined;
      if (!mayNow()) {
        this.sweepLater(mayNow);
        return;
      }
      const dead = this.strangers().filter((pid) => stateOf(pid) === 'Z');
      for (const pid of dead) if (this.#dead.has(pid)) reap(pid);
      const left = dead.filter((pid) => !this.#dead.has(pid));
      this.#dead = new Set(left);
      if (left.length > 0) this.sweepLater(mayNow);
    }, RETRY_MS).unref();
  }

  /** Children that this thread has not heard of: clones on their way, or that ended there. None, in doubt. */
  strangers(): number[] {
    if (!this.#ledger.complete) return [];
    const known = new Set([...this.#ledger.pidsOfAll(), ...this.#expected]);
    return childrenOf(this.parent).filter((pid) => !known.has(pid));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#sweep);
  }
}

function reap(pid: number): void {
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
