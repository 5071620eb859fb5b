import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { constants } from 'node:os';
import { errno, errnoName, kill, nativeMemory, poll, wait4 } from '../../../os/libc.js';
import { BuildTimeoutError, UnsupportedError } from '../../errors.js';
import { ptrace, WALL, WNOHANG } from '../../native-code/libc-calls.js';
import type { Arch } from '../arch/arch.js';

const PTRACE_POKETEXT = 4;
const PTRACE_CONT = 7;
const PTRACE_DETACH = 17;
const PTRACE_SYSCALL = 24;
const PTRACE_SETOPTIONS = 0x4200;
const PTRACE_GETREGSET = 0x4204;
const PTRACE_SETREGSET = 0x4205;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_GETSIGMASK = 0x420a;
const PTRACE_SETSIGMASK = 0x420b;
const PTRACE_GET_SYSCALL_INFO = 0x420e;
const EVENT_STOP = 128;
/** A process that is in no call that can't be interrupted stops within microseconds. */
const MAX_INTERRUPT_MS = 100;
const SIGNAL_MASK_BYTES = 8;
const NT_PRSTATUS = 1;
const O_TRACESYSGOOD = 1;
const O_EXITKILL = 0x100000;

const WORD_BYTES = 8;
const MAX_REGISTERS = 40;
const INFO_BYTES = 88;
const INFO_ENTRY = 1;

const SIGTRAP = constants.signals.SIGTRAP;
/** How a stop for a system call is told from any other trap. */
const SYSCALL_TRAP = SIGTRAP | 0x80;

/** A system call as the process asks for it. */
export interface SyscallEntry {
  readonly auditArch: number;
  readonly number: number;
  readonly arguments: readonly bigint[];
}

/** Why a process stopped. */
type Stop = { readonly kind: 'call' | 'trap' } | { readonly kind: 'signal'; readonly signal: number };

/** The timer that the helper gave the process has run out. */
export function buildTimeout(): BuildTimeoutError {
  return new BuildTimeoutError('its start took too long');
}

/** Kept for good, for all tracees of a thread: they are set up one at a time. */
const scratch = nativeMemory((MAX_REGISTERS + 2) * WORD_BYTES + INFO_BYTES);
const vectorAddress = scratch.address;
const registersAddress = scratch.address + BigInt(2 * WORD_BYTES);
const infoAddress = registersAddress + BigInt(MAX_REGISTERS * WORD_BYTES);
const infoBytes = scratch.bytes.subarray(-INFO_BYTES);
const status = new Int32Array(1);

/**
 * A process that this thread traces (ptrace(2)), stopped whenever a method is called. Every call must come from the
 * thread that started it.
 */
export class Tracee {
  readonly pid: number;
  readonly #arch: Arch;
  readonly #memory: number;

  /** @param pid stopped, traced by this thread */
  constructor(pid: number, arch: Arch) {
    this.pid = pid;
    this.#arch = arch;
    this.#ptrace(PTRACE_SETOPTIONS, 0, O_TRACESYSGOOD | O_EXITKILL);
    this.#memory = openSync(`/proc/${pid}/mem`, 'r+');
  }

  /**
   * Stops a process that runs, whatever it does.
   *
   * @throws UnsupportedError where it may not be traced or does not stop; it has been killed then
   */
  static interrupt(pid: number, arch: Arch): Tracee {
    if (Number(ptrace(PTRACE_SEIZE, pid, 0, O_TRACESYSGOOD | O_EXITKILL)) < 0)
      throw new UnsupportedError(`ptrace: ${errnoName(errno())}`);
    const stopped =
      Number(ptrace(PTRACE_INTERRUPT, pid, 0, 0)) < 0 ? undefined : waitAtMost(pid, MAX_INTERRUPT_MS);
    if (stopped !== ((EVENT_STOP << 16) | (SIGTRAP << 8) | 0x7f)) {
      kill(pid, constants.signals.SIGKILL);
      throw new UnsupportedError(`it did not stop (wait status ${stopped ?? 'none'})`);
    }
    return new Tracee(pid, arch);
  }

  /** The signals that its thread blocks. */
  get signalMask(): bigint {
    this.#ptrace(PTRACE_GETSIGMASK, SIGNAL_MASK_BYTES, registersAddress);
    return scratch.bytes.readBigUInt64LE(2 * WORD_BYTES);
  }

  set signalMask(mask: bigint) {
    scratch.bytes.writeBigUInt64LE(mask, 2 * WORD_BYTES);
    this.#ptrace(PTRACE_SETSIGMASK, SIGNAL_MASK_BYTES, registersAddress);
  }

  /** Its registers, in the kernel's order. */
  registers(): BigUint64Array {
    this.#describeRegisters();
    this.#ptrace(PTRACE_GETREGSET, NT_PRSTATUS, vectorAddress);
    const words = new BigUint64Array(this.#arch.registerCount);
    for (let index = 0; index < words.length; index++)
      words[index] = scratch.bytes.readBigUInt64LE((2 + index) * WORD_BYTES);
    return words;
  }

  setRegisters(words: BigUint64Array): void {
    this.#describeRegisters();
    for (let index = 0; index < words.length; index++)
      scratch.bytes.writeBigUInt64LE(words[index] as bigint, (2 + index) * WORD_BYTES);
    this.#ptrace(PTRACE_SETREGSET, NT_PRSTATUS, vectorAddress);
  }

  /** The system call at whose entry it stands; undefined at the exit of one. */
  syscallEntry(): SyscallEntry | undefined {
    this.#ptrace(PTRACE_GET_SYSCALL_INFO, INFO_BYTES, infoAddress);
    if (infoBytes[0] !== INFO_ENTRY) return undefined;
    const first = 32;
    return {
      auditArch: infoBytes.readUInt32LE(4),
      number: Number(infoBytes.readBigUInt64LE(24)),
      arguments: Array.from({ length: 6 }, (_, at) => infoBytes.readBigUInt64LE(first + at * WORD_BYTES)),
    };
  }

  /**
   * Lets it run until it stops again.
   *
   * @param until the next system call, or the next trap only
   * @throws UnsupportedError when it ends instead
   */
  resumeUntil(until: 'call' | 'trap'): Stop {
    this.#ptrace(until === 'call' ? PTRACE_SYSCALL : PTRACE_CONT, 0, 0);
    return this.wait();
  }

  /** Waits for a stop; it comes, for the helper gave the process a timer. */
  wait(): Stop {
    const waitStatus = waitFor(this.pid);
    if ((waitStatus & 0xff) !== 0x7f)
      throw new UnsupportedError(`it ended before its stop (wait status ${waitStatus})`);
    const signal = waitStatus >> 8;
    if (signal === SYSCALL_TRAP) return { kind: 'call' };
    if (signal === constants.signals.SIGALRM) throw buildTimeout();
    return signal === SIGTRAP ? { kind: 'trap' } : { kind: 'signal', signal: signal & 0x7f };
  }

  read(address: bigint, count: number): Buffer {
    const bytes = Buffer.alloc(count);
    this.readInto(address, bytes);
    return bytes;
  }

  /** Fills the bytes with what lies at an address. */
  readInto(address: bigint, bytes: Buffer): void {
    if (readSync(this.#memory, bytes, 0, bytes.length, address) !== bytes.length)
      throw new UnsupportedError(`its memory at ${address.toString(16)} can't be read`);
  }

  readWord(address: bigint): bigint {
    return this.read(address, WORD_BYTES).readBigUInt64LE(0);
  }

  /** The string at an address, without its NUL; read page by page, for the next one may not be there. */
  readString(address: bigint, maxBytes: number): Buffer {
    const parts: Buffer[] = [];
    for (let length = 0; length <= maxBytes; ) {
      const at = address + BigInt(length);
      const bytes = this.read(at, PAGE_BYTES - Number(at & BigInt(PAGE_BYTES - 1)));
      const end = bytes.indexOf(0);
      if (end >= 0) return Buffer.concat([...parts, bytes.subarray(0, end)]);
      parts.push(bytes);
      length += bytes.length;
    }
    throw new UnsupportedError(`there is no end to its string at ${address.toString(16)}`);
  }

  write(address: bigint, bytes: Buffer): void {
    // Below 2^47, so a number holds it.
    if (writeSync(this.#memory, bytes, 0, bytes.length, Number(address)) !== bytes.length)
      throw new UnsupportedError(`its memory at ${address.toString(16)} can't be written`);
  }

  /** Writes code, which is mapped read-only, and answers what was there. */
  patch(address: bigint, code: Buffer): Buffer {
    const before = this.read(address, code.length);
    const word = this.read(address, WORD_BYTES);
    code.copy(word);
    this.#ptrace(PTRACE_POKETEXT, address, word.readBigUInt64LE(0));
    return before;
  }

  /**
   * Has it make a system call, and puts everything back; an error comes as a negative number.
   *
   * @param place an instruction to make it at; undefined: where it stands
   */
  injectSyscall(number: number, callArguments: readonly bigint[], place?: bigint): bigint {
    const arch = this.#arch;
    const before = this.registers();
    const at = place ?? (before[arch.programCounter] as bigint);
    const code = this.patch(at, Buffer.concat([arch.enterKernel, arch.trap]));
    const words = BigUint64Array.from(before);
    if (arch.interruptedCall !== undefined) words[arch.interruptedCall] = BigInt.asUintN(64, -1n);
    for (const [index, place] of arch.callArguments.entries())
      words[place] = BigInt.asUintN(64, callArguments[index] ?? 0n);
    words[arch.callNumber] = BigInt(number);
    words[arch.programCounter] = at;
    this.setRegisters(words);
    const stop = this.resumeUntil('trap');
    if (stop.kind !== 'trap')
      throw new UnsupportedError(`it stopped with signal ${JSON.stringify(stop)} in a call`);
    const result = BigInt.asIntN(64, this.registers()[arch.callResult] as bigint);
    this.patch(at, code);
    this.setRegisters(before);
    return result;
  }

  /** Lets it go, to run on by itself. */
  detach(): void {
    this.#ptrace(PTRACE_DETACH, 0, 0);
    closeSync(this.#memory);
  }

  /** Ends it, where it is not detached, and waits for that. */
  kill(): void {
    closeSync(this.#memory);
    killAndReap(this.pid);
  }

  /** Ends it and leaves it to be reaped by whoever looks after it. */
  abandon(): void {
    closeSync(this.#memory);
    kill(this.pid, constants.signals.SIGKILL);
  }

  #describeRegisters(): void {
    scratch.bytes.writeBigUInt64LE(registersAddress, 0);
    scratch.bytes.writeBigUInt64LE(BigInt(this.#arch.registerCount * WORD_BYTES), WORD_BYTES);
  }

  #ptrace(request: number, address: bigint | number, data: bigint | number): void {
    if (Number(ptrace(request, this.pid, address, data)) < 0)
      throw new UnsupportedError(`ptrace request ${request.toString(16)}: ${errnoName(errno())}`);
  }
}

const PAGE_BYTES = 4096;

/** The wait status of a child at its next stop or end (wait(2)). */
export function waitFor(pid: number): number {
  let reaped: number;
  do reaped = wait4(pid, status, WALL, null);
  while (reaped < 0 && errno() === constants.errno.EINTR);
  if (reaped !== pid) throw new UnsupportedError(`wait4: ${errnoName(errno())}`);
  return status[0] as number;
}

/** The wait status of a child that is about to stop or end; undefined where it does not. */
function waitAtMost(pid: number, ms: number): number | undefined {
  const untilMs = performance.now() + ms;
  do {
    if (wait4(pid, status, WALL | WNOHANG, null) === pid) return status[0];
    poll(Buffer.alloc(0), 0, 1);
  } while (performance.now() < untilMs);
  return undefined;
}

/** Kills a child of ours and reaps it; it ends at once, so the wait is short. */
export function killAndReap(pid: number): void {
  kill(pid, constants.signals.SIGKILL);
  let reaped: number;
  do reaped = wait4(pid, status, WALL, null);
  while (reaped === pid && ((status[0] as number) & 0xff) === 0x7f);
}
