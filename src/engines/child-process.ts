import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { type ActionImage, argumentFits } from '../os/action-image.js';
import { type SpawnRequest, spawnConfined } from '../os/confined-spawn.js';
import { environmentObject, variableOf } from '../os/environment-object.js';
import { interpreterOf, readElfInfo, readHead } from '../os/executable.js';
import { signalWithGroup } from '../os/group-signal.js';
import { setOomScoreAdj } from '../os/oom-score.js';
import type { Confinement } from '../os/rights.js';
import type { ProcessObserver, RunningProcess } from '../os/running-process.js';
import type { ProcessExit } from '../protocol/answer.js';
import { PID, type ResourceTable } from '../shared-memory/resource-table.js';
import type { ExecEngine, StartOutcome, StartRequest } from './engine.js';

/**
 * Starts actions with Node's own child_process, where the foreign function interface can't be loaded.
 *
 * What differs from the other engines: no resource usage, a session of its own instead of a process group
 * alone (docs/decisions/0014-fallback-engine.md), it is reaped as soon as it exits, and the streams are sockets, which
 * an action can't open again by /dev/stdout's name.
 */
export class ChildProcessEngine implements ExecEngine {
  readonly name = 'child_process';
  readonly #resourceTable: ResourceTable;
  readonly #confinement: Confinement | undefined;

  /** @param confinement what takes rights away from actions; undefined: nothing does */
  constructor(resourceTable: ResourceTable, confinement?: Confinement) {
    this.#resourceTable = resourceTable;
    this.#confinement = confinement;
  }

  actionChanged(_action: ActionImage): void {
    // Nothing is prepared per action.
  }

  start(
    { action, argument, variables }: StartRequest,
    observer: ProcessObserver,
  ): StartOutcome | Promise<StartOutcome> {
    // libuv starts a file of unknown format through the shell, which the contract forbids (C-RUN-26).
    if (!hasKnownFormat(action.exec)) return { kind: 'failed', errno: 'ENOEXEC' };
    const environment = environmentObject([...action.environment.map(variableOf), ...variables]);
    const request: SpawnRequest = {
      exec: action.exec,
      arguments: argumentFits(argument) ? [argument.toString('utf8')] : [],
      options: { cwd: action.folder, env: environment, detached: true },
      stdio: ['pipe', 'pipe', 'pipe'],
    };
    const started = (child: ChildProcess | string): StartOutcome => {
      if (typeof child === 'string') return { kind: 'failed', errno: child };
      const pid = child.pid as number;
      setOomScoreAdj(pid);
      return { kind: 'started', process: new ChildRun(child, pid, argument, observer, this.#resourceTable) };
    };
    const child = spawnConfined(request, this.#confinement);
    return child instanceof Promise ? child.then(started) : started(child);
  }

  close(): void {
    // Nothing is held between starts.
  }
}

/** Whether the kernel itself can execute a file: a program for this machine, or a script with an interpreter. */
export function hasKnownFormat(path: string, depth = 0): boolean {
  const head = readHead(path);
  // Whatever is wrong with a file that can't be read, the start itself names it.
  if (head === undefined) return true;
  if (head.toString('latin1', 0, 2) === '#!') {
    const interpreter = interpreterOf(head);
    return interpreter !== undefined && depth < MAX_SCRIPT_DEPTH && hasKnownFormat(interpreter, depth + 1);
  }
  const elf = readElfInfo(head);
  return (
    elf !== undefined &&
    (elf.machine === elf.hostMachine || COMPATIBLE_MACHINES[elf.hostMachine] === elf.machine)
  );
}

/** Scripts whose interpreter is a script: the kernel follows that many (execve(2)). */
const MAX_SCRIPT_DEPTH = 4;

/** The 32-bit programs that a 64-bit kernel takes. */
const COMPATIBLE_MACHINES: Readonly<Record<string, string>> = { x86_64: 'i386', aarch64: 'arm' };

/** So many milliseconds without a byte mean that nothing of `exec` is left to read. */
const IDLE_TURNS = 3;

class ChildRun implements RunningProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #resourceTable: ResourceTable;
  readonly #entry: number;
  #open = 2;
  #paused = false;
  #exit: ProcessExit | undefined;
  #exitReported = false;
  #polling = false;
  #released = false;

  constructor(
    child: ChildProcess,
    pid: number,
    argument: Buffer,
    observer: ProcessObserver,
    resourceTable: ResourceTable,
  ) {
    this.pid = pid;
    this.#child = child;
    this.#resourceTable = resourceTable;
    this.#entry = resourceTable.open();
    resourceTable.set(this.#entry, PID, pid);
    child.on('error', () => {
      // A signal that could not be sent; the exit itself is reported by 'exit'.
    });
    // An action need not read its stdin (C-RUN-07).
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.stdin?.end(argument);
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream]?.on('data', (chunk: Buffer) => observer[stream](chunk));
      child[stream]?.once('close', () => {
        this.#open--;
        if (this.#released) return;
        if (this.#exitReported && this.#open === 0) observer.streamsEnded();
        else this.#reportExitWhenRead(observer);
      });
    }
    const exited = (status: number | null, signal: NodeJS.Signals | null): void => {
      this.#resourceTable.clear(this.#entry, PID);
      this.#exit = signal === null ? { status: status ?? 0 } : { signal: constants.signals[signal] };
      if (this.#released) this.#resourceTable.close(this.#entry);
      else this.#reportExitWhenRead(observer);
    };
    const { exitCode, signalCode } = child;
    // It may have come and gone while it was waited for; nothing may be told before it counts as started.
    if (exitCode !== null || signalCode !== null) setImmediate(() => exited(exitCode, signalCode));
    else child.once('exit', exited);
  }

  pause(): void {
    this.#paused = true;
    this.#child.stdout?.pause();
    this.#child.stderr?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#child.stdout?.resume();
    this.#child.stderr?.resume();
  }

  kill(signal: number): void {
    if (this.#exit === undefined) signalWithGroup(this.pid, signal);
  }

  release(beforeReaping?: () => void): ProcessExit {
    this.#released = true;
    beforeReaping?.();
    this.#child.stdin?.destroy();
    this.#child.stdout?.destroy();
    this.#child.stderr?.destroy();
    if (this.#exit !== undefined) this.#resourceTable.close(this.#entry);
    return this.#exit ?? {};
  }

  /**
   * Node may report the exit before it has read what is in the streams. Where they end it is all there;
   * where another process holds them, some turns of the event loop without a byte mean the same.
   */
  #reportExitWhenRead(observer: ProcessObserver): void {
    if (this.#exit === undefined || this.#exitReported) return;
    if (this.#open === 0) this.#reportExit(observer);
    else if (!this.#polling) this.#poll(observer, this.#bytesRead(), 0);
  }

  #poll(observer: ProcessObserver, readBefore: number, quietTurns: number): void {
    this.#polling = true;
    setTimeout(() => {
      if (this.#exitReported) return;
      const readNow = this.#bytesRead();
      const quiet = !this.#paused && readNow === readBefore ? quietTurns + 1 : 0;
      if (quiet < IDLE_TURNS) this.#poll(observer, readNow, quiet);
      else this.#reportExit(observer);
    }, 1);
  }

  #reportExit(observer: ProcessObserver): void {
    this.#exitReported = true;
    observer.exited(this.#open > 0);
  }

  #bytesRead(): number {
    return [this.#child.stdout, this.#child.stderr].reduce(
      (sum, stream) => sum + ((stream as unknown as { bytesRead?: number } | null)?.bytesRead ?? 0),
      0,
    );
  }
}
