import { closeSync, openSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** What is read of a thread: `NUMBER 0xARGUMENT …` (proc_pid_syscall(5)). */
const MAX_LINE_BYTES = 48;
const SPACE = 0x20;
const ZERO = 0x30;
const NINE = 0x39;
/** The first argument of a call that reads descriptor 0. */
const DESCRIPTOR_0 = Buffer.from('0x0 ');
/** A search looks at so many threads at most. */
const MAX_SEARCHED_THREADS = 64;

interface InputCalls {
  readonly reads: ReadonlySet<number>;
  readonly polls: ReadonlySet<number>;
}

/** The numbers of the system calls that wait for input, by architecture (syscalls(2)). */
const INPUT_CALLS: Readonly<Record<string, InputCalls>> = {
  x64: {
    // read, readv, recvfrom, recvmsg
    reads: new Set([0, 19, 45, 47]),
    // poll, select, epoll_wait, pselect6, ppoll, epoll_pwait, io_uring_enter, epoll_pwait2
    polls: new Set([7, 23, 232, 270, 271, 281, 426, 441]),
  },
  arm64: {
    reads: new Set([63, 65, 207, 212]),
    polls: new Set([22, 72, 73, 426, 441]),
  },
};

/**
 * What the only thread of a process waits for at this moment; undefined where it waits for nothing of the kind, or the
 * system does not show it.
 */
export function stdinWaitOf(pid: number): WaitKind | undefined {
  return orUndefined(() => {
    const text = readFileSync(`/proc/${pid}/syscall`);
    return waitIn(text, text.length);
  });
}

/** Knows whether the only thread of a process is blocked in a read of descriptor 0: a read of one file tells. */
export class StdinReadWatch {
  readonly #fd: number;
  readonly #readFromStart: ReadFromStart;

  constructor(pid: number, readFromStart: ReadFromStart) {
    this.#readFromStart = readFromStart;
    this.#fd = orUndefined(() => openSync(`/proc/${pid}/syscall`, 'r')) ?? -1;
  }

  /** Whether the system shows what it waits for. */
  get canObserve(): boolean {
    return this.#fd >= 0;
  }

  isWaiting(): boolean {
    return (
      this.#fd >= 0 && waitIn(line, orUndefined(() => this.#readFromStart(this.#fd, line)) ?? 0) === 'read'
    );
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
  }
}

/** How a thread waits: in a read of descriptor 0, or for events of any descriptor. */
export type WaitKind = 'read' | 'poll';
/** A program that is seen to read its input so does not wait for it among other events. */
export const READS_ONLY: readonly WaitKind[] = ['read'];
const ALL_KINDS: readonly WaitKind[] = ['read', 'poll'];

/**
 * Reads a file again from its start.
 *
 * @returns the number of bytes; 0 or less, or an exception, if the thread has ended or may not be looked at
 */
export type ReadFromStart = (fd: number, into: Buffer) => number;

const line = Buffer.alloc(MAX_LINE_BYTES);

/**
 * Knows whether a process waits for its next line. A thread that is blocked in a read of descriptor 0 has read
 * all that it was given, and has written all that it writes before it reads again.
 *
 * The source is /proc/PID/syscall, which asks for the rights of ptrace(2) over the process; the server has them
 * over its children, unless they run as another user or Yama forbids them to all.
 */
export class StdinWaitDetector {
  readonly #pid: number;
  readonly #readFromStart: ReadFromStart;
  readonly #calls: InputCalls | undefined = INPUT_CALLS[process.arch];
  /** What descriptor 0 of the process leads to; a process that has another one is not the reader. */
  readonly #stdin: string | undefined;
  /** Whether the system shows what the process waits for. */
  readonly canObserve: boolean;
  #fd = -1;
  #wait: WaitKind | undefined;

  constructor(pid: number, readFromStart: ReadFromStart) {
    this.#pid = pid;
    this.#readFromStart = readFromStart;
    this.#stdin = orUndefined(() => readlinkSync(`/proc/${pid}/fd/0`));
    this.canObserve = this.#calls !== undefined && this.#stdin !== undefined && this.#isReadable();
  }

  /**
   * Whether the thread that reads waits for a line at this moment.
   *
   * @param search whether to look for that thread anew, among all of the process and of its descendants
   * @param kinds what counts as such a wait
   */
  isWaiting(search: boolean, kinds: readonly WaitKind[] = ALL_KINDS): boolean {
    if (this.#fd >= 0 && this.#waitOf(this.#fd) === this.#wait) return true;
    return (search || this.#fd < 0) && this.canObserve && this.#search(kinds);
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #isReadable(): boolean {
    const fd = orUndefined(() => openSync(`/proc/${this.#pid}/syscall`, 'r'));
    if (fd === undefined) return false;
    const length = orUndefined(() => this.#readFromStart(fd, line)) ?? 0;
    closeSync(fd);
    return length > 0;
  }

  #search(kinds: readonly WaitKind[]): boolean {
    const threads: string[] = [];
    this.#collect(this.#pid, threads);
    const seen = this.#wait === 'read' ? READS_ONLY : kinds;
    for (const wait of seen) for (const thread of threads) if (this.#watchThread(thread, wait)) return true;
    return false;
  }

  /** The threads of a process that reads from the same stdin, then those of its children. */
  #collect(pid: number, threads: string[]): void {
    const shares = orUndefined(() => readlinkSync(`/proc/${pid}/fd/0`)) === this.#stdin;
    for (const thread of orUndefined(() => readdirSync(`/proc/${pid}/task`)) ?? []) {
      if (threads.length >= MAX_SEARCHED_THREADS) return;
      const folder = `/proc/${pid}/task/${thread}`;
      if (shares) threads.push(folder);
      const children = orUndefined(() => readFileSync(`${folder}/children`, 'latin1')) ?? '';
      for (const child of children.split(' ')) if (child !== '') this.#collect(Number(child), threads);
    }
  }

  #watchThread(folder: string, wait: WaitKind): boolean {
    const [, , pid, , thread] = folder.split('/');
    // An event loop is the main thread's; other threads wait for events of their own.
    if (wait === 'poll' && pid !== thread) return false;
    const fd = orUndefined(() => openSync(`${folder}/syscall`, 'r'));
    if (fd === undefined) return false;
    if (this.#waitOf(fd) !== wait) {
      closeSync(fd);
      return false;
    }
    this.close();
    this.#fd = fd;
    this.#wait = wait;
    return true;
  }

  #waitOf(fd: number): WaitKind | undefined {
    return waitIn(line, orUndefined(() => this.#readFromStart(fd, line)) ?? 0);
  }
}

/** What a line of `/proc/[pid]/syscall` shows. */
function waitIn(text: Buffer, length: number): WaitKind | undefined {
  const calls = INPUT_CALLS[process.arch];
  let number = 0;
  let at = 0;
  for (; at < length; at++) {
    const digit = text[at] as number;
    if (digit < ZERO || digit > NINE) break;
    number = number * 10 + digit - ZERO;
  }
  if (at === 0 || text[at] !== SPACE) return undefined;
  if (calls?.polls.has(number)) return 'poll';
  const reads = calls?.reads.has(number) && text.subarray(at + 1, at + 5).equals(DESCRIPTOR_0);
  return reads ? 'read' : undefined;
}

/** A process may end at any moment, and then there is nothing to read of it. */
function orUndefined<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
