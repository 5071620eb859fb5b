import type { Arch, CallName } from '../arch/arch.js';
import type { SyscallEntry } from './tracee.js';

/**
 * What a program may ask of the kernel before the point at which it is cloned.
 *
 * The argument: what happens before that point happens once, for all clones. So it must have no effect outside of the
 * process, and its outcome must be the same whenever it is asked. Left are: memory of its own; reading files that
 * the loader reads anyway, which is why a template is checked against the files it was made of; and what the C
 * library registers with the kernel, which the clone registers anew. The time, process ids, users, and anything that
 * writes, creates, signals or talks is not among them. Random bytes are the one exception: glibc asks once for the
 * eight bytes by which malloc recognises what was freed twice; clones share them (docs/internals/engines.md).
 */
const RULES: Readonly<Record<CallName, (given: readonly bigint[]) => boolean>> = {
  access: always,
  arch_prctl: ([code = 0n]) => THREAD_POINTER_AND_SHADOW_STACK.has(code),
  brk: always,
  close: ownDescriptor,
  faccessat: always,
  fstat: ownDescriptor,
  getrandom: ([, count = 0n]) => count <= MALLOC_KEY_BYTES,
  lseek: ownDescriptor,
  madvise: ([, , advice = 0n]) => HARMLESS_ADVICE.has(int(advice)),
  // Private memory only: what is written to shared memory is seen outside.
  mmap: ([, , , flags = 0n]) => (flags & MAP_TYPE) === MAP_PRIVATE,
  mprotect: always,
  munmap: always,
  newfstatat: always,
  open: ([, flags = 0n]) => (flags & WRITING) === 0n,
  openat: ([, , flags = 0n]) => (flags & WRITING) === 0n,
  pread64: ownDescriptor,
  prctl: () => false,
  // Asking for a limit, not setting one.
  prlimit64: ([pid = 0n, , next = 0n]) => int(pid) === 0 && next === 0n,
  read: ownDescriptor,
  readlink: always,
  readlinkat: always,
  rseq: always,
  set_robust_list: always,
  set_tid_address: always,
  stat: always,
  uname: always,
};

/** ARCH_SET_FS, and what asks for the state of shadow stacks (arch_prctl(2), asm/prctl.h). */
const THREAD_POINTER_AND_SHADOW_STACK = new Set([0x1002n, 0x3001n, 0x5005n]);
/**
 * Advice that says nothing of children: MADV_NORMAL to MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_NOHUGEPAGE,
 * MADV_DONTDUMP, MADV_DODUMP (madvise(2)). Others take memory from a clone, or empty it.
 */
const HARMLESS_ADVICE = new Set([0, 1, 2, 3, 4, 8, 14, 15, 16, 17]);
const MALLOC_KEY_BYTES = 8n;
const MAP_TYPE = 0xfn;
const MAP_PRIVATE = 2n;
/** O_WRONLY, O_RDWR, O_CREAT and O_TRUNC. */
const WRITING = 0o1103n;
/** Descriptors up to this one were there before it began. */
const MAX_GIVEN_DESCRIPTOR = 3;

/** The name of a call that the allow-list has; undefined for any other. */
export function syscallName(arch: Arch, { number }: SyscallEntry): CallName | undefined {
  return NAMES.find((candidate) => arch.calls[candidate] === number);
}

/** A call that does not stand on the allow-list, in words; undefined for one that does. */
export function describeForbidden(arch: Arch, call: SyscallEntry): string | undefined {
  if (call.auditArch !== arch.auditArch) return `a system call of another architecture (${call.number})`;
  const name = syscallName(arch, call);
  if (name === undefined) return `system call ${call.number}`;
  return RULES[name](call.arguments) ? undefined : `${name} with other arguments than a loader's`;
}

const NAMES = Object.keys(RULES) as CallName[];

function always(): boolean {
  return true;
}

function ownDescriptor([fd = 0n]: readonly bigint[]): boolean {
  return int(fd) > MAX_GIVEN_DESCRIPTOR;
}

/** An argument as the kernel sees an int. */
function int(argument: bigint): number {
  return Number(BigInt.asIntN(32, argument));
}
