import { execFileSync } from 'node:child_process';
import {
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';

const SETTLED_MS = 150;
const TIMEOUT_MS = 20_000;
const MAX_WAITING = 4096;

/** Waits for a condition that nobody announces: a file, a process's end. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = Date.now() + TIMEOUT_MS;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`);
    await delay(10);
  }
}

/** Whether a process exists and has not ended. */
export function isAlive(pid: number): boolean {
  const state = stateOf(pid);
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** The state letter of a process (proc(5)), undefined when there is none of that number. */
export function stateOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2)[0];
  } catch {
    return undefined;
  }
}

/**
 * The children of a process, of all its threads, zombies included (proc(5)); without the fork server's templates and
 * prewarmed clones, which are no activations.
 */
export function childrenOf(pid: number): number[] {
  return allChildrenOf(pid).filter((child) => !isTemplate(child));
}

/** The fork server's templates and prewarmed clones of a server. */
export function templatesOf(pid: number): number[] {
  return allChildrenOf(pid).filter(isTemplate);
}

/** Sends a signal to the templates and prewarmed clones of a server; one that ends meanwhile needs none. */
export function signalTemplates(pid: number, signal: NodeJS.Signals): void {
  for (const template of templatesOf(pid)) send(template, signal);
}

/** Stops them all, those too that are cloned meanwhile. @returns which */
export async function stopTemplates(pid: number): Promise<number[]> {
  await until('every template stands still', async () => {
    signalTemplates(pid, 'SIGSTOP');
    await delay(SETTLED_MS);
    return templatesOf(pid).every((template) => stateOf(template) === 'T');
  });
  return templatesOf(pid);
}

/** How many descriptors a process has once nothing changes any more: an engine prepares for the next run. */
export async function settledDescriptors(pid: number): Promise<number> {
  const count = (): number => readdirSync(`/proc/${pid}/fd`).length;
  for (let before = -1, now = count(); ; before = now, now = count()) {
    if (before === now) return now;
    await delay(SETTLED_MS);
  }
}

/** Waits until a process has at most so many descriptors; if that never comes, the error names those it has. */
export async function untilDescriptors(pid: number, atMost: number): Promise<void> {
  const folder = `/proc/${pid}/fd`;
  const numbers = (): string[] => readdirSync(folder);
  try {
    await until(`it has ${atMost} descriptors`, () => numbers().length <= atMost);
  } catch (error) {
    const open = numbers().map((fd) => linesOf(() => [readlinkSync(join(folder, fd))]).join());
    throw new Error(
      `${String(error)}: ${open.length}, ${open.toSorted((a, b) => a.localeCompare(b)).join(' ')}`,
    );
  }
}

function allChildrenOf(pid: number): number[] {
  return linesOf(() => readdirSync(`/proc/${pid}/task`)).flatMap((thread) =>
    linesOf(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1').split(' '))
      .filter(Boolean)
      .map(Number),
  );
}

/** A process, or a thread of it, may end at any moment: then it has nothing. */
function linesOf(read: () => string[]): string[] {
  try {
    return read();
  } catch {
    return [];
  }
}

function isTemplate(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'latin1') === 'hs-template\n';
  } catch {
    return false;
  }
}

/** Ends a process that an action left behind. */
export function end(pid: number): void {
  send(pid, 'SIGKILL');
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has ended by itself.
  }
}

/**
 * Holds actions back until the test lets them go: a FIFO in a folder of its own. An action runs the line
 * {@link wait} in a POSIX shell, with its descriptor 9; a file tells that it stands at the gate.
 */
export class Gate {
  readonly wait: string;
  /** Where those who stand at the gate leave their marks; an action of another user must be let in. */
  readonly folder: string;
  // Stays open: without it, an action that comes late would wait for somebody who opens the other end.
  readonly #fd: number;

  constructor(parent: string) {
    this.folder = mkdtempSync(join(parent, 'gate-'));
    const fifo = join(this.folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    // Opened for both: this open does not wait for a reader, and no action's open waits for a writer.
    this.#fd = openSync(fifo, constants.O_RDWR);
    this.wait = `exec 9<'${fifo}'; : > "${this.folder}/waiting-$$"; read -r line <&9; exec 9<&-`;
  }

  /** How many stand at the gate, or have passed it. */
  get arrived(): number {
    return readdirSync(this.folder).length - 1;
  }

  async arrivals(count: number): Promise<void> {
    await until(`${count} actions stand at the gate`, () => this.arrived >= count);
  }

  /** Lets all go that stand there, and whoever comes later: a line is there for each. */
  open(): void {
    writeSync(this.#fd, '\n'.repeat(MAX_WAITING));
  }
}

/** Collects a stream, so that the test can wait for a text in it. */
export class Collected {
  #memory: Buffer = Buffer.allocUnsafe(1 << 16);
  #length = 0;
  #wake: (() => void) | undefined;
  #ended = false;

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => {
      if (this.#length + chunk.length > this.#memory.length) {
        const larger = Buffer.allocUnsafe(2 * (this.#length + chunk.length));
        this.#memory.copy(larger, 0, 0, this.#length);
        this.#memory = larger;
      }
      chunk.copy(this.#memory, this.#length);
      this.#length += chunk.length;
      this.#wake?.();
    });
    stream.once('close', () => {
      this.#ended = true;
      this.#wake?.();
    });
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length);
  }

  get text(): string {
    return this.bytes.toString('utf8');
  }

  /** Resolves once the text has come that often since the beginning. */
  async waitFor(text: string, times = 1): Promise<void> {
    let from = 0;
    for (let found = 0; found < times; ) {
      const at = this.bytes.indexOf(text, from);
      if (at >= 0) {
        found++;
        from = at + text.length;
        continue;
      }
      if (this.#ended) throw new Error(`the stream ended before ${JSON.stringify(text)} came ${times} times`);
      from = Math.max(from, this.#length - text.length);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
