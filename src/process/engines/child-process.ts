import type { ChildProcess } from 'node:child_process';
import { constants } from 'node:os';
import { elfFacts, interpreterOf, readHead } from '../../action/executable.js';
import { type SpawnRequest, spawnConfined } from '../confined-spawn.js';
import { environmentObject, variableOf } from '../environment-object.js';
import { type Ledger, PID } from '../ledger.js';
import { endBeforeServer } from '../oom-preference.js';
import type { Confinement } from '../rights.js';
import { signalWithGroup } from '../signal.js';
import {
  type ActionImage,
  argumentFits,
  type ExecEngine,
  type ProcessExit,
  type ProcessObserver,
  type RunningProcess,
  type StartOutcome,
  type StartRequest,
} from './engine.js';

/**
 * Starts actions with Node's own child_process, where the foreign function interface can't be loaded.
 *
 * What differs from the other engines: no resource usage, a session of its own instead of a process group
 * alone (D-23), it is reaped as soon as it exits, and the streams are sockets, which an action can't open
 * again by /dev/stdout's name.
 */
export class ChildProcessEngine implements ExecEngine {
  readonly name = 'child_process';
  readonly #ledger: Ledger;
  readonly #confinement: Confinement | undefined;

  /** @param confinement what takes rights away from actions; undefined: nothing does */
  constructor(ledger: Ledger, confinement?: Confinement) {
    this.#ledger = ledger;
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
      endBeforeServer(pid);
      return { kind: 'started', process: new ChildRun(child, pid, argument, observer, this.#ledger) };
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
    return interpreter !== undefined && depth < DEEPEST_SCRIPT && hasKnownFormat(interpreter, depth + 1);
  }
  const elf = elfFacts(head);
  return elf !== undefined && (elf.machine === elf.hostMachine || ALSO_RUNS[elf.hostMachine] === elf.machine);
}

/** Scripts whose interpreter is a script: the kernel follows that many (execve(2)). */
const DEEPEST_SCRIPT = 4;

/** The 32-bit programs that a 64-bit kernel takes. */
const ALSO_RUNS: Readonly<Record<string, string>> = { x86_64: 'i386', aarch64: 'arm' };

/** So many milliseconds without a byte mean that nothing of `exec` is left to read. */
const QUIET_TURNS = 3;

class ChildRun implements RunningProcess {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #ledger: Ledger;
  readonly #entry: number;
  #open = 2;
  #paused = false;
  #exit: ProcessExit | undefined;
  #told = false;
  #looking = false;
  #released = false;

  constructor(child: ChildProcess, pid: number, argument: Buffer, observer: ProcessObserver, ledger: Ledger) {
    this.pid = pid;
    this.#child = child;
    this.#ledger = ledger;
    this.#entry = ledger.open();
    ledger.set(this.#entry, PID, pid);
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
        if (this.#told && this.#open === 0) observer.streamsEnded();
        else this.#tellWhenRead(observer);
      });
    }
    const exited = (status: number | null, signal: NodeJS.Signals | null): void => {
      this.#ledger.clear(this.#entry, PID);
      this.#exit = signal === null ? { status: status ?? 0 } : { signal: constants.signals[signal] };
      if (this.#released) this.#ledger.close(this.#entry);
      else this.#tellWhenRead(observer);
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
    if (this.#exit !== undefined) this.#ledger.close(this.#entry);
    return this.#exit ?? {};
  }

  /**
   * Node may report the exit before it has read what is in the streams. Where they end it is all there;
   * where another process holds them, some turns of the event loop without a byte mean the same.
   */
  #tellWhenRead(observer: ProcessObserver): void {
    if (this.#exit === undefined || this.#told) return;
    if (this.#open === 0) this.#tell(observer);
    else if (!this.#looking) this.#look(observer, this.#bytesRead(), 0);
  }

  #look(observer: ProcessObserver, readBefore: number, quietTurns: number): void {
    this.#looking = true;
    setTimeout(() => {
      if (this.#told) return;
      const readNow = this.#bytesRead();
      const quiet = !this.#paused && readNow === readBefore ? quietTurns + 1 : 0;
      if (quiet < QUIET_TURNS) this.#look(observer, readNow, quiet);
      else this.#tell(observer);
    }, 1);
  }

  #tell(observer: ProcessObserver): void {
    this.#told = true;
    observer.exited(this.#open > 0);
  }

  #bytesRead(): number {
    return [this.#child.stdout, this.#child.stderr].reduce(
      (sum, stream) => sum + ((stream as unknown as { bytesRead?: number } | null)?.bytesRead ?? 0),
      0,
    );
  }
}
