import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { LoopImage } from '../pool/messages.js';
import { type SpawnRequest, spawnConfined } from '../process/confined-spawn.js';
import { hasKnownFormat } from '../process/engines/child-process.js';
import type { ProcessExit } from '../process/engines/engine.js';
import { endBeforeServer } from '../process/oom-preference.js';
import { awaitedElsewhere } from '../process/orphans.js';
import { withoutPrecedence } from '../process/precedence.js';
import type { Confinement } from '../process/rights.js';
import type { LoopChannel, LoopLauncher } from './channel.js';

/**
 * Starts processes with Node's own child_process, where the foreign function interface can't be loaded. What
 * differs: a session of its own instead of a process group alone, no resource usage, and descriptors 0 and 3
 * are sockets (D-23).
 *
 * @param logs the descriptors that become stdout and stderr
 * @param confinement what takes rights away from it; undefined: nothing does
 */
export function plainLauncher(
  logs: readonly [stdout: number, stderr: number],
  confinement?: Confinement,
): LoopLauncher {
  return async ({ exec, environment }: LoopImage, answered) => {
    // libuv starts a file of unknown format through the shell, which the contract forbids (C-AL-09).
    if (!hasKnownFormat(exec)) return { errno: 'ENOEXEC' };
    const options = { env: variablesOf(environment), detached: true };
    const request: SpawnRequest = { exec, arguments: [], options, stdio: ['pipe', ...logs, 'pipe'] };
    const child = await withoutPrecedence(() => spawnConfined(request, confinement));
    if (typeof child === 'string') return { errno: child };
    const pid = child.pid as number;
    endBeforeServer(pid);
    return new PlainChannel(child, pid, answered);
  };
}

class PlainChannel implements LoopChannel {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  readonly unreadBytes = 0;
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #answers: Readable;
  readonly #answered: (chunk: Buffer) => void;

  constructor(child: ChildProcess, pid: number, answered: (chunk: Buffer) => void) {
    this.pid = pid;
    this.#child = child;
    this.#answered = answered;
    this.#input = child.stdin as Writable;
    this.#answers = child.stdio[3] as Readable;
    child.on('error', () => {
      // A signal that could not be sent; the exit itself is reported by 'exit'.
    });
    this.#input.on('error', () => this.#input.destroy());
    this.#answers.on('error', () => this.#answers.destroy());
    this.#answers.on('data', answered);
    this.exited = this.#exit();
  }

  write(bytes: Buffer): void {
    if (!this.#input.destroyed) this.#input.write(bytes);
  }

  readNow(): void {
    for (let bytes = this.#answers.read(); bytes !== null; bytes = this.#answers.read()) {
      this.#answered(bytes as Buffer);
    }
  }

  endInput(): void {
    this.#input.end();
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    try {
      process.kill(-this.pid, signal);
    } catch {
      // It exited in this moment.
    }
  }

  async #exit(): Promise<ProcessExit> {
    const isKnown = awaitedElsewhere((pid) => pid === this.pid);
    const { exitCode, signalCode } = this.#child;
    const [status, signal] =
      exitCode === null && signalCode === null
        ? ((await once(this.#child, 'exit')) as [number | null, NodeJS.Signals | null])
        : [exitCode, signalCode];
    isKnown();
    // What it wrote may come after the word of its exit; its end comes, unless another process holds it.
    await Promise.race([this.#answers.readableEnded || once(this.#answers, 'close'), quiet()]);
    this.#answers.destroy();
    this.#input.destroy();
    return signal === null ? { status: status ?? 0 } : { signal: constants.signals[signal] };
  }
}

const QUIET_MS = 50;

function quiet(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, QUIET_MS).unref());
}

function variablesOf(block: Uint8Array): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const entry of Buffer.from(block).toString('utf8').split('\0')) {
    const equals = entry.indexOf('=');
    if (equals > 0) variables[entry.slice(0, equals)] = entry.slice(equals + 1);
  }
  return variables;
}
