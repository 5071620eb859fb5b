import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readSync } from 'node:fs';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import { hasKnownFormat } from '../../engines/child-process.js';
import { type SpawnRequest, spawnConfined } from '../../os/confined-spawn.js';
import { environmentObject, variableOf } from '../../os/environment-object.js';
import { MAX_KILL_MS, signalWithGroup } from '../../os/group-signal.js';
import { withOriginalPriority } from '../../os/nice.js';
import { setOomScoreAdj } from '../../os/oom-score.js';
import { excludeFromReaping } from '../../os/orphan-reaper.js';
import type { Confinement } from '../../os/rights.js';
import { type ReadFromStart, StdinWaitDetector } from '../../os/stdin-wait.js';
import type { ProcessExit } from '../../protocol/answer.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { ActionLoopChannel, ActionLoopLauncher } from './channel.js';
import { type LogDescriptor, type LogSettings, lossCountersOf, openProcessLogs } from './log-descriptors.js';

const readFromStart: ReadFromStart = (fd, into) => readSync(fd, into, 0, into.length, 0);

/**
 * Starts processes with Node's own child_process, where the foreign function interface can't be loaded. What
 * differs: a session of its own instead of a process group alone, no resource usage, and descriptors 0 and 3
 * are sockets.
 *
 * @param confinement what takes rights away from it; undefined: nothing does
 */
export function childProcessLauncher(settings: LogSettings, confinement?: Confinement): ActionLoopLauncher {
  const losses = lossCountersOf(settings);
  return async ({ exec, environment }: ActionLoopImage, answered) => {
    // libuv starts a file of unknown format through the shell, which the contract forbids (C-AL-09).
    if (!hasKnownFormat(exec)) return { errno: 'ENOEXEC' };
    const options = { env: variablesOf(environment), detached: true };
    const logs = openProcessLogs(settings);
    const stdio = ['pipe', stdioOf(logs.stdout), stdioOf(logs.stderr), 'pipe'] as const;
    const request: SpawnRequest = { exec, arguments: [], options, stdio };
    const starting = withOriginalPriority(() => spawnConfined(request, confinement));
    // By now it has its own.
    logs.close();
    const child = await starting;
    if (typeof child === 'string') return { errno: child };
    child.stdout?.on('data', (bytes: Buffer) => losses[0].bytes(bytes.length)).on('error', () => {});
    child.stderr?.on('data', (bytes: Buffer) => losses[1].bytes(bytes.length)).on('error', () => {});
    const pid = child.pid as number;
    setOomScoreAdj(pid);
    return new ChildProcessChannel(child, pid, answered);
  };
}

/** How often it is asked whether the process still has its stdin. */
const INPUT_CHECK_MS = 500;
const NO_BYTES = Buffer.alloc(0);

class ChildProcessChannel implements ActionLoopChannel {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
  readonly stdinClosed = new Promise<never>(() => {});
  /** What is in the socket is read by the event loop: by the end of the turn after this one. */
  readonly turnsUntilRead = 2;
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #answers: Readable;
  readonly #stdinWait: StdinWaitDetector;
  /** It has been killed and does not end: it is waited for no longer. */
  #resolveKilled: () => void = () => {};
  #killing: NodeJS.Timeout | undefined;
  #inputCheck: NodeJS.Timeout | undefined;

  constructor(child: ChildProcess, pid: number, answered: (chunk: Buffer) => void) {
    this.pid = pid;
    this.#child = child;
    this.#stdinWait = new StdinWaitDetector(pid, readFromStart);
    this.#input = child.stdin as Writable;
    this.#answers = child.stdio[3] as Readable;
    child.on('error', () => {
      // A signal that could not be sent; the exit itself is reported by 'exit'.
    });
    this.#input.on('error', () => {
      clearInterval(this.#inputCheck);
      this.#input.destroy();
      // Its stdin is closed, so that it can't read what it is given.
      this.kill('SIGKILL');
    });
    this.#answers.on('error', () => this.#answers.destroy());
    this.#answers.on('data', answered);
    this.exited = this.#exit();
  }

  write(bytes: Buffer): void {
    if (this.#input.destroyed) return;
    this.#input.write(bytes);
    // A socket does not report by itself that the process has closed its end: a write does, even one of no bytes.
    this.#inputCheck ??= setInterval(() => this.#checkInput(), INPUT_CHECK_MS).unref();
  }

  #checkInput(): void {
    if (this.#input.writableLength === 0) this.#input.write(NO_BYTES);
  }

  /** A socket's unread bytes can't be asked for here: only what the kernel has not taken yet is known. */
  get unreadBytes(): number {
    return this.#input.destroyed ? 0 : this.#input.writableLength;
  }

  readAvailable(): void {
    // The stream flows: there is nothing to read before the event loop has done it.
  }

  get canObserveWaits(): boolean {
    return this.#stdinWait.canObserve;
  }

  isWaitingForInput(search: boolean): boolean {
    return this.#stdinWait.isWaiting(search);
  }

  closeStdin(): void {
    clearInterval(this.#inputCheck);
    this.#input.end();
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    signalWithGroup(this.pid, constants.signals[signal]);
    if (signal === 'SIGKILL') this.#killing ??= setTimeout(() => this.#resolveKilled(), MAX_KILL_MS);
  }

  async #exit(): Promise<ProcessExit> {
    const isKnown = excludeFromReaping((pid) => pid === this.pid);
    const { exitCode, signalCode } = this.#child;
    const isOver = exitCode !== null || signalCode !== null;
    const exit = (isOver ? Promise.resolve([exitCode, signalCode]) : once(this.#child, 'exit')).finally(
      isKnown,
    );
    const killed = new Promise<undefined>((resolve) => {
      this.#resolveKilled = () => resolve(undefined);
    });
    const ended = (await Promise.race([exit, killed])) as [number | null, NodeJS.Signals | null] | undefined;
    clearTimeout(this.#killing);
    // What it wrote may come after the word of its exit; its end comes, unless another process holds it.
    await Promise.race([this.#answers.readableEnded || once(this.#answers, 'close'), afterIdle()]);
    clearInterval(this.#inputCheck);
    this.#answers.destroy();
    this.#input.destroy();
    this.#stdinWait.close();
    if (ended === undefined) return {};
    const [status, signal] = ended;
    return signal === null ? { status: status ?? 0 } : { signal: constants.signals[signal] };
  }
}

/** What nobody reads comes here, to be counted. libuv takes O_NONBLOCK away from what becomes stdout or stderr. */
function stdioOf(log: LogDescriptor): number | 'pipe' {
  return log === 'unread' ? 'pipe' : log.fd;
}

const IDLE_MS = 50;

function afterIdle(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, IDLE_MS).unref());
}

function variablesOf(block: Uint8Array): Record<string, string> {
  const entries = Buffer.from(block).toString('utf8').split('\0');
  return environmentObject(
    entries.filter((entry) => entry.indexOf('=') > 0).map((entry) => variableOf(Buffer.from(entry))),
  );
}
