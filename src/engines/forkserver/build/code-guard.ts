import { readlinkSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import { isOutsideOwner } from '../../../os/user-namespace.js';
import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import { syscallName } from './allow-list.js';
import { mappingsOf } from './checks.js';
import { isEmptyConstructor } from './constructors.js';
import type { SyscallEntry, Tracee } from './tracee.js';

/**
 * Libraries whose code may run once for all clones, while a program is loaded. It was read: constructors and functions
 * that choose an implementation (IFUNC) look at the processor, allocate memory, register handlers; they read no
 * argument, no time, no random bytes, no process id. Only where the system keeps its libraries, and root's, or of an owner
 * outside of this user namespace: a library of the same name may be anything.
 */
const REVIEWED = [
  // The loader itself, when it is mapped as a library.
  /^ld-(linux-[\w-]+\.so\.\d|2\.\d+\.so)$/,
  // Takes notice of argv, argc and environ by address, sizes caches by CPUID, makes the key of malloc.
  /^libc(\.so\.6|-2\.\d+\.so)$/,
  /^libpthread(\.so\.0|-2\.\d+\.so)$/,
  // Choose functions by the processor.
  /^lib(m|mvec|rt|dl)(\.so\.\d|-2\.\d+\.so)$/,
  // Registers frames; __cpu_indicator_init reads CPUID.
  /^libgcc_s\.so\.1$/,
  // The pool for exceptions that no memory is left for; the C locale; iostreams.
  /^libstdc\+\+\.so\.6(\.\d+)*$/,
];
const SYSTEM_FOLDERS = /^(\/usr)?\/lib(64)?(\/[\w-]+-linux-gnu)?\/[^/]+$/;
const WRITABLE_BY_OTHERS = 0o022;
const ROOT = 0;

const PROT_EXEC = 4n;
const MAP_FIXED = 0x10n;
const MAP_ANONYMOUS = 0x20n;
const ACCESS = { r: 1n, w: 2n, x: PROT_EXEC } as const;
const PAGE = 4096n;

/** Memory that must not be executed for now. */
interface WithheldRange {
  readonly begin: bigint;
  readonly end: bigint;
  /** What it is to be executable with, as mprotect(2) has it. */
  readonly access: bigint;
  readonly path: string;
  /** Where the file begins in memory. */
  readonly base: bigint;
}

/**
 * Takes the permission to execute from the program itself and from each library that is not reviewed, while the loader
 * is at work. Whatever of the author's would run now, once for all clones, ends in SIGSEGV instead: an allocator of the
 * program's own, one that is preloaded, constructors, auditing libraries, resolvers of IFUNC, `__gmon_start__`.
 */
export class CodeGuard {
  readonly #tracee: Tracee;
  readonly #arch: Arch;
  readonly #program: string;
  /** An instruction of the loader's, to make system calls at. */
  readonly #callAt: bigint;
  readonly #bases = new Map<string, bigint>();
  readonly #everWithheld: WithheldRange[] = [];
  #withheld: WithheldRange[] = [];
  #mapping: (Omit<WithheldRange, 'begin' | 'end' | 'base'> & { readonly bytes: bigint }) | undefined;
  #return: bigint | undefined;

  /**
   * @param tracee stands at the loader's first instruction
   * @param program the path of its executable
   */
  constructor(tracee: Tracee, arch: Arch, program: string) {
    this.#tracee = tracee;
    this.#arch = arch;
    this.#program = program;
    this.#callAt = tracee.registers()[arch.programCounter] as bigint;
    const mappings = mappingsOf(tracee.pid).filter(({ path }) => path === program);
    const base = mappings[0]?.begin ?? 0n;
    for (const { begin, end, access } of mappings.filter((one) => one.access.includes('x'))) {
      const flags = [...access].reduce(
        (sum, letter) => sum | (ACCESS[letter as keyof typeof ACCESS] ?? 0n),
        0n,
      );
      this.#add({ begin, end, access: flags, path: program, base });
      this.#protect(begin, end, flags & ~PROT_EXEC);
    }
  }

  /**
   * The program asks for a system call; mappings of code are made without the permission to execute.
   *
   * @throws UnsupportedError when it changes code that is withheld
   */
  onSyscallEntry(call: SyscallEntry): void {
    const name = syscallName(this.#arch, call);
    const [address = 0n, length = 0n, access = 0n, flags = 0n, fd = 0n] = call.arguments;
    const end = address + upToPage(length);
    if (name === 'munmap' || (name === 'mmap' && (flags & MAP_FIXED) !== 0n)) this.#forget(address, end);
    if (name === 'mprotect') {
      const overlaps = this.#everWithheld.some((one) => one.begin < end && address < one.end);
      if (overlaps && (access & PROT_EXEC) !== 0n)
        throw new UnsupportedError('its code is changed while it is loaded');
      this.#forget(address, end);
    }
    if (name !== 'mmap' || (flags & MAP_ANONYMOUS) !== 0n) return;
    const path = readlinkSync(`/proc/${this.#tracee.pid}/fd/${BigInt.asIntN(32, fd)}`);
    const withholds = (access & PROT_EXEC) !== 0n && !isReviewed(path);
    this.#mapping = { path, access, bytes: upToPage(length) };
    if (!withholds) return;
    const registers = this.#tracee.registers();
    registers[this.#arch.callArguments[2] as number] = access & ~PROT_EXEC;
    this.#tracee.setRegisters(registers);
  }

  /** The system call is done. */
  onSyscallExit(): void {
    const mapping = this.#mapping;
    if (mapping === undefined) return;
    this.#mapping = undefined;
    const begin = this.#tracee.registers()[this.#arch.callResult] as bigint;
    // An error number.
    if (BigInt.asIntN(64, begin) < 0n) return;
    const { path, access, bytes } = mapping;
    if (!this.#bases.has(path)) this.#bases.set(path, begin);
    if ((access & PROT_EXEC) === 0n || isReviewed(path)) return;
    this.#add({ begin, end: begin + bytes, access, path, base: this.#bases.get(path) as bigint });
  }

  /**
   * The program would execute what is withheld: goes on behind it where that is a constructor of the compiler's that
   * does nothing.
   *
   * @throws UnsupportedError naming whose code it is
   */
  skipConstructor(programCounter: bigint): void {
    const where = this.#withheld.find(({ begin, end }) => begin <= programCounter && programCounter < end);
    if (where === undefined) throw new UnsupportedError('signal 11 before its own code began');
    if (where.path === this.#program) throw new UnsupportedError('code of its own runs while it is loaded');
    const kind = isEmptyConstructor(this.#tracee, where.path, where.base, programCounter);
    if (kind === 'constructor')
      throw new UnsupportedError(`the constructors of ${where.path} run before its own code`);
    if (kind === 'other') throw new UnsupportedError(`code of ${where.path} runs before its own code`);
    const registers = this.#tracee.registers();
    registers[this.#arch.programCounter] = this.#returnInstruction();
    this.#tracee.setRegisters(registers);
  }

  /** Gives everything its permission back. */
  restore(): void {
    for (const { begin, end, access } of this.#withheld) this.#protect(begin, end, access);
    this.#withheld = [];
  }

  #add(range: WithheldRange): void {
    this.#withheld.push(range);
    this.#everWithheld.push(range);
  }

  #forget(from: bigint, to: bigint): void {
    this.#withheld = this.#withheld.flatMap((one) => {
      if (one.end <= from || to <= one.begin) return [one];
      const left = one.begin < from ? [{ ...one, end: from }] : [];
      return to < one.end ? [...left, { ...one, begin: to }] : left;
    });
  }

  #protect(begin: bigint, end: bigint, access: bigint): void {
    const result = this.#tracee.injectSyscall(
      this.#arch.calls.mprotect,
      [begin, end - begin, access],
      this.#callAt,
    );
    if (result !== 0n) throw new UnsupportedError(`mprotect failed in it (${result})`);
  }

  /** An instruction of the loader's that returns: a call that comes back from there has done nothing. */
  #returnInstruction(): bigint {
    if (this.#return !== undefined) return this.#return;
    const loader = mappingsOf(this.#tracee.pid).find(
      ({ begin, end }) => begin <= this.#callAt && this.#callAt < end,
    );
    const end = loader?.end ?? this.#callAt;
    const at = this.#tracee.read(this.#callAt, Number(end - this.#callAt)).indexOf(this.#arch.returns);
    if (at < 0) throw new UnsupportedError('its loader never returns');
    this.#return = this.#callAt + BigInt(at);
    return this.#return;
  }
}

function isReviewed(path: string): boolean {
  return REVIEWED.some((name) => name.test(basename(path))) && isSystemFile(path);
}

function isSystemFile(path: string): boolean {
  if (!SYSTEM_FOLDERS.test(path)) return false;
  const stats = statSync(path);
  const isSystems = stats.uid === ROOT || isOutsideOwner(stats.uid);
  return isSystems && (stats.mode & WRITABLE_BY_OTHERS) === 0;
}

function upToPage(bytes: bigint): bigint {
  return (bytes + PAGE - 1n) & ~(PAGE - 1n);
}
