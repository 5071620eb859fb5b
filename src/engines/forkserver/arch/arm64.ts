import type { Arch } from './arch.js';

/** arm64's struct user_pt_regs: x0 to x30, then these. */
const GENERAL = Array.from({ length: 31 }, (_, index) => index);
const SP = 31;
const PC = 32;
const X8 = 8;

export const ARM64: Arch = {
  elfMachine: 183,
  auditArch: 0xc00000b7,
  registerCount: 34,
  programCounter: PC,
  stackPointer: SP,
  callNumber: X8,
  callArguments: [0, 1, 2, 3, 4, 5],
  callResult: 0,
  // The kernel restarts nothing once the program counter has been set (ptrace(2), NT_PRSTATUS).
  interruptedCall: undefined,
  restored: GENERAL,
  // brk #0 and svc #0
  trap: Buffer.of(0x00, 0x00, 0x20, 0xd4),
  trapAdvance: 0,
  enterKernel: Buffer.of(0x01, 0x00, 0x00, 0xd4),
  returns: Buffer.of(0xc0, 0x03, 0x5f, 0xd6),
  // It may begin with a landing pad (bti c) or nothing.
  startOfProgram: {
    bytes: 28,
    pattern: /^(5f2403d5|1f2003d5)?1d0080d21e0080d2e50300aae10340f9e2230091e6030091/,
  },
  hasTimeStampCounter: false,
  // A variable of the loader, made read-only: clones of one template share it.
  canary: undefined,
  injected: { getRobustList: 100, getitimer: 102, socket: 198, connect: 203 },
  queries: { ioprioGet: 31, schedGetaffinity: 123, schedGetattr: 275 },
  calls: {
    access: -1,
    arch_prctl: -1,
    brk: 214,
    close: 57,
    faccessat: 48,
    fstat: 80,
    getrandom: 278,
    lseek: 62,
    madvise: 233,
    mmap: 222,
    mprotect: 226,
    munmap: 215,
    newfstatat: 79,
    open: -1,
    openat: 56,
    pread64: 67,
    prctl: 167,
    prlimit64: 261,
    read: 63,
    readlink: -1,
    readlinkat: 78,
    rseq: 293,
    set_robust_list: 99,
    set_tid_address: 96,
    stat: -1,
    uname: 160,
  },
};
