import { ARM64 } from './arm64.js';
import { X64 } from './x64.js';

/** What the set-up has to know of a processor. */
export interface Arch {
  /** ELF's number of it (elf(5), e_machine). */
  readonly elfMachine: number;
  /** AUDIT_ARCH_* of linux/audit.h: how ptrace(2) names whose system call it was. */
  readonly auditArch: number;
  /** The words of struct user_regs_struct (NT_PRSTATUS). */
  readonly registerCount: number;
  /** Places in it. */
  readonly programCounter: number;
  readonly stackPointer: number;
  readonly callNumber: number;
  readonly callArguments: readonly number[];
  readonly callResult: number;
  /** The number of the call that a stop interrupted; to be set to -1, so that the kernel does not restart it. */
  readonly interruptedCall: number | undefined;
  /** The registers in the order in which stub/machine.h restores them. */
  readonly restored: readonly number[];
  /** An instruction that stops the process. */
  readonly trap: Buffer;
  /** How far the program counter is past it then. */
  readonly trapAdvance: number;
  /** The instruction that calls the kernel. */
  readonly enterKernel: Buffer;
  /** The instruction that returns from a function. */
  readonly returns: Buffer;
  /** How a program of glibc begins (its crt1.o): so many bytes, in hexadecimal. */
  readonly startOfProgram: { readonly bytes: number; readonly pattern: RegExp };
  /** Whether a program can read a clock by an instruction that the kernel can forbid (PR_SET_TSC, prctl(2)). */
  readonly hasTimeStampCounter: boolean;
  /** Where the C libraries keep the stack's canary: from the thread pointer; undefined: no fixed place. */
  readonly canary: { readonly threadPointer: number; readonly offset: bigint } | undefined;
  /** System calls by name, for the allow-list and the calls that are injected. */
  readonly calls: Readonly<Record<CallName, number>>;
  /** Those that are injected into a program that waits, and that no loader makes. */
  readonly injected: Readonly<Record<'connect' | 'getRobustList' | 'getitimer' | 'socket', number>>;
  /** The numbers of system calls that the server makes itself, for want of a function in the C library. */
  readonly queries: Readonly<Record<'ioprioGet' | 'schedGetaffinity' | 'schedGetattr', number>>;
}

/** The system calls that the set-up names; -1 where a processor has not got it. */
export type CallName =
  | 'access'
  | 'arch_prctl'
  | 'brk'
  | 'close'
  | 'faccessat'
  | 'fstat'
  | 'getrandom'
  | 'lseek'
  | 'madvise'
  | 'mmap'
  | 'mprotect'
  | 'munmap'
  | 'newfstatat'
  | 'open'
  | 'openat'
  | 'pread64'
  | 'prlimit64'
  | 'prctl'
  | 'read'
  | 'readlink'
  | 'readlinkat'
  | 'rseq'
  | 'set_robust_list'
  | 'set_tid_address'
  | 'stat'
  | 'uname';

/** The table of this machine; undefined where there is none. */
export function hostArch(): Arch | undefined {
  if (process.arch === 'x64') return X64;
  return process.arch === 'arm64' ? ARM64 : undefined;
}
