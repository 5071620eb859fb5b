import type { Arch } from './arch.js';

/** Places in x86-64's struct user_regs_struct. */
const R15 = 0;
const R14 = 1;
const R13 = 2;
const R12 = 3;
const RBP = 4;
const RBX = 5;
const R11 = 6;
const R10 = 7;
const R9 = 8;
const R8 = 9;
const RAX = 10;
const RCX = 11;
const RDX = 12;
const RSI = 13;
const RDI = 14;
const ORIG_RAX = 15;
const RIP = 16;
const RSP = 19;
const FS_BASE = 21;

export const X64: Arch = {
  elfMachine: 62,
  auditArch: 0xc000003e,
  registerCount: 27,
  programCounter: RIP,
  stackPointer: RSP,
  callNumber: RAX,
  callArguments: [RDI, RSI, RDX, R10, R8, R9],
  callResult: RAX,
  interruptedCall: ORIG_RAX,
  restored: [R15, R14, R13, R12, RBP, RBX, R11, R10, R9, R8, RAX, RCX, RDX, RSI, RDI],
  trap: Buffer.of(0xcc),
  trapAdvance: 1,
  enterKernel: Buffer.of(0x0f, 0x05),
  returns: Buffer.of(0xc3),
  startOfProgram: { bytes: 22, pattern: /^(f30f1efa)?31ed4989d15e4889e24883e4f05054/ },
  hasTimeStampCounter: true,
  canary: { threadPointer: FS_BASE, offset: 0x28n },
  injected: { getRobustList: 274, getitimer: 36, socket: 41, connect: 42 },
  queries: { ioprioGet: 252, schedGetaffinity: 204, schedGetattr: 315 },
  calls: {
    access: 21,
    arch_prctl: 158,
    brk: 12,
    close: 3,
    faccessat: 269,
    fstat: 5,
    getrandom: 318,
    lseek: 8,
    madvise: 28,
    mmap: 9,
    mprotect: 10,
    munmap: 11,
    newfstatat: 262,
    open: 2,
    openat: 257,
    pread64: 17,
    prctl: 157,
    prlimit64: 302,
    read: 0,
    readlink: 89,
    readlinkat: 267,
    rseq: 334,
    set_robust_list: 273,
    set_tid_address: 218,
    stat: 4,
    uname: 63,
  },
};
