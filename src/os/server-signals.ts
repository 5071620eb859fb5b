import { closeSync, openSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { isatty } from 'node:tty';

/** End the server in good order; a second one ends the grace period. */
const DRAINING = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const;
/** Opens the log file anew; where a terminal has started the server it says that the terminal is gone, and drains. */
const HANG_UP = 'SIGHUP';
const STDIN = 0;
const STANDARD_STREAMS = [STDIN, 1, 2];
/**
 * Signals without a meaning here, whose default would end or stop the server, or open Node's inspector (SIGUSR1): any
 * process of the same user, so any action, can send them (kill(2)). SIGPIPE and SIGXFSZ are ignored by Node itself, those
 * that are missing do nothing by default (signal(7)), and src/os/native-signals.ts has what JavaScript can't take.
 */
export const IGNORED_SIGNALS = [
  ...['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM', 'SIGPROF', 'SIGIO', 'SIGPWR', 'SIGSTKFLT', 'SIGXCPU'],
  ...['SIGSYS', 'SIGABRT', 'SIGTSTP', 'SIGTTIN', 'SIGTTOU'],
] as readonly NodeJS.Signals[];

/** One process can send a million signals a second; each that is handled here takes the main thread some microseconds. */
const MAX_SIGNALS_PER_SECOND = 100;
const SECOND_MS = 1000;

/** What signals ask for. */
interface SignalHandlers {
  /** The first one of SIGTERM, SIGINT and SIGQUIT. */
  drain(): void;
  /** A further one of them. */
  endGracePeriod(): void;
  /** SIGHUP, if no terminal has started the server. */
  reopenLog(): void;
  /** A signal that has no meaning here; told at most once a second of each. */
  ignored(signal: string, count: number): void;
}

/**
 * Takes the signals of the process from the first moment on, before any action runs: what comes before somebody
 * {@link serve}s is not lost. Actions start with all signals at their defaults (C-RUN-14): exec(2) resets what is
 * handled, and every engine what is ignored.
 */
export class ServerSignals {
  /** How often each of {@link IGNORED_SIGNALS} has come, as far as it was let through. */
  readonly counts = new Map<string, number>(IGNORED_SIGNALS.map((name) => [name, 0]));
  readonly #seen = new Map<string, { sinceMs: number; count: number }>();
  readonly #reportedMs = new Map<string, number>();
  #handlers: SignalHandlers | undefined;
  #drains = 0;
  #reopens = false;

  constructor() {
    for (const signal of DRAINING) this.#on(signal, () => this.#drain());
    this.#on(HANG_UP, isatty(STDIN) ? () => this.#hangUp() : () => this.#reopen());
    ignoreSignals((signal) => {
      this.counts.set(signal, (this.counts.get(signal) ?? 0) + 1);
      this.#limit(signal);
      this.#reportIgnored(signal);
    });
  }

  /** Hands the signals on from now on, and those that have come already. */
  serve(handlers: SignalHandlers): void {
    this.#handlers = handlers;
    if (this.#reopens) handlers.reopenLog();
    if (this.#drains > 0) handlers.drain();
    if (this.#drains > 1) handlers.endGracePeriod();
  }

  #on(signal: NodeJS.Signals, act: () => void): void {
    process.on(signal, () => {
      this.#limit(signal);
      act();
    });
  }

  #drain(): void {
    this.#drains++;
    if (this.#drains === 1) this.#handlers?.drain();
    else this.#handlers?.endGracePeriod();
  }

  /** Node's exit would end in an assertion: it sets terminals back, and fails where one is gone. */
  #hangUp(): void {
    process.once('exit', () => {
      for (const fd of STANDARD_STREAMS) {
        closeSync(fd);
        openSync('/dev/null', 'r+');
      }
    });
    this.#drain();
  }

  #reopen(): void {
    this.#reopens = true;
    this.#handlers?.reopenLog();
  }

  #reportIgnored(signal: string): void {
    const nowMs = performance.now();
    if (nowMs - (this.#reportedMs.get(signal) ?? Number.NEGATIVE_INFINITY) < SECOND_MS) return;
    this.#reportedMs.set(signal, nowMs);
    this.#handlers?.ignored(signal, this.counts.get(signal) ?? 0);
  }

  /** Has the kernel drop a signal that comes too often, for a second. */
  #limit(signal: NodeJS.Signals): void {
    const nowMs = performance.now();
    const seen = this.#seen.get(signal);
    if (seen === undefined || nowMs - seen.sinceMs > SECOND_MS) {
      this.#seen.set(signal, { sinceMs: nowMs, count: 1 });
    } else if (++seen.count === MAX_SIGNALS_PER_SECOND) {
      suspendSignal(signal).catch(() => {
        // Without the C library's calls every one is handled.
      });
    }
  }
}

/**
 * Takes the signals that mean nothing here.
 *
 * @param onSignal is told of each that comes
 */
export function ignoreSignals(onSignal: (signal: NodeJS.Signals) => void = () => {}): void {
  for (const signal of IGNORED_SIGNALS) {
    if (signal === 'SIGPROF' && isTaken(signal)) continue;
    // At a terminal a person stops the server by it.
    if (signal === 'SIGTSTP' && isatty(STDIN)) continue;
    process.on(signal, () => onSignal(signal));
  }
}

/** Whether something in this process handles the signal already, as V8's profiler does (proc(5), SigCgt). */
function isTaken(signal: NodeJS.Signals): boolean {
  const [, mask] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return ((BigInt(`0x${mask ?? '0'}`) >> BigInt(constants.signals[signal] - 1)) & 1n) === 1n;
}

async function suspendSignal(signal: NodeJS.Signals): Promise<void> {
  const { suspend } = await import('./native-signals.js');
  const resume = suspend(constants.signals[signal]);
  setTimeout(resume, SECOND_MS).unref();
}
