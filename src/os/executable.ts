import { accessSync, closeSync, constants, openSync, readSync, statSync } from 'node:fs';
import { machine } from 'node:os';

/** What an executable's header says (elf(5)). */
interface ElfInfo {
  /** What it is built for, as `uname -m` would name it. */
  readonly machine: string;
  /** What this machine is. */
  readonly hostMachine: string;
  /** The loader that must start it (PT_INTERP); undefined for a static one. */
  readonly loader: string | undefined;
}

const MACHINES = new Map([
  [3, 'i386'],
  [8, 'mips'],
  [20, 'ppc'],
  [21, 'ppc64'],
  [22, 's390x'],
  [40, 'arm'],
  [62, 'x86_64'],
  [183, 'aarch64'],
  [243, 'riscv64'],
  [258, 'loongarch64'],
]);
const PT_INTERP = 3;
const LITTLE_ENDIAN = 1;
const CLASS_64 = 2;

/** Reads an ELF header and program headers; undefined when the bytes are no ELF file. */
export function readElfInfo(head: Buffer): ElfInfo | undefined {
  if (head.length < 52 || head.toString('latin1', 0, 4) !== '\x7fELF') return undefined;
  const little = head[5] === LITTLE_ENDIAN;
  const wide = head[4] === CLASS_64;
  const number = (at: number, bytes: 2 | 4): number =>
    little ? head.readUIntLE(at, bytes) : head.readUIntBE(at, bytes);
  const code = number(18, 2);
  return {
    machine: MACHINES.get(code) ?? `machine ${code}`,
    hostMachine: machine(),
    loader: loaderOf(head, wide, number),
  };
}

function loaderOf(
  head: Buffer,
  wide: boolean,
  number: (at: number, bytes: 2 | 4) => number,
): string | undefined {
  // The upper halves of 64-bit fields are nothing but zero for headers within the first page.
  const table = number(wide ? 32 : 28, 4);
  const size = number(wide ? 54 : 42, 2);
  const count = number(wide ? 56 : 44, 2);
  for (let index = 0; index < count; index++) {
    const at = table + index * size;
    if (at + size > head.length) return undefined;
    if (number(at, 4) !== PT_INTERP) continue;
    const offset = number(at + (wide ? 8 : 4), 4);
    const length = number(at + (wide ? 32 : 16), 4);
    return head.toString('utf8', offset, offset + length).replace(/\0.*$/s, '');
  }
  return undefined;
}

const HEAD_BYTES = 4096;

/**
 * The first bytes of a file, enough for an ELF file's headers or a script's first line; undefined when it is
 * no regular file, or unreadable.
 */
export function readHead(path: string): Buffer | undefined {
  try {
    // Opening a FIFO would wait for whoever writes to it.
    if (!statSync(path).isFile()) return undefined;
    const descriptor = openSync(path, 'r');
    try {
      const head = Buffer.alloc(HEAD_BYTES);
      return head.subarray(0, readSync(descriptor, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return undefined;
  }
}

/** The interpreter that a script's first line names; undefined where it names none. */
export function interpreterOf(head: Buffer): string | undefined {
  const line = head.toString('utf8').split('\n', 1)[0] ?? '';
  return /^#![ \t]*([^ \t]+)/.exec(line)?.[1];
}

/** Whether the path leads to a file that this user may execute. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
