import { readFileSync } from 'node:fs';
import { close } from '../../../os/libc.js';
import { statFields } from '../../../os/proc-stat.js';
import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import { AT_RANDOM, AT_SECURE, readAuxv } from '../build/auxv.js';
import { readElf } from '../build/elf.js';
import { mapStub, startStub } from '../build/inject-stub.js';
import { CODE_BYTES, configurationOf } from '../build/stub-configuration.js';
import { Tracee } from '../build/tracee.js';
import { requireClonable, requireClonableState } from './checks.js';
import { cloneDescriptorsOf, STREAMS } from './descriptors.js';
import { connectProcess, type HandedOver } from './hand-over.js';

const PR_GET_TID_ADDRESS = 40n;
const PTR_BYTES = 8;
/** What a call that was interrupted while it waited has returned so far: the kernel would make it again (signal(7)). */
const ERESTARTSYS = -512n;
const ALL_SIGNALS = BigInt.asUintN(64, -1n);
/** Places in `/proc/[pid]/stat`, counted from the field behind the name. */
const ARGUMENTS_END = 46;
const ENVIRONMENT_BEGIN = 47;
const NO_STRINGS = { names: [], argumentCapacityBytes: 0, variablesCapacityBytes: 0 };

/** A program that waits for its first line. */
interface WaitingProcess {
  readonly pid: number;
  /** What its streams lead to, as `/proc/[pid]/fd` shows it. */
  readonly streams: readonly string[];
  /** What its clones must have, struct attributes of stub/layout.h. */
  readonly attributes: Buffer;
}

/** What a clone begins with, and what the C library told the kernel of the thread. */
interface ThreadState {
  readonly registers: BigUint64Array;
  readonly threadId: bigint;
  readonly robustList: bigint;
  readonly robustListBytes: bigint;
}

/**
 * Stops a program that waits in a read of its standard input, and puts the loop that clones it in its place. Each clone
 * makes that read again, with streams of its own.
 *
 * Takes some milliseconds of the calling thread, which must have started the program.
 *
 * @returns our end of the loop's socket
 * @throws UnsupportedError naming why its clones would not be what it is; the process has been killed then
 */
export function freezeWaiting(arch: Arch, { pid, streams, attributes }: WaitingProcess): number {
  if (process.arch !== 'x64') throw new UnsupportedError(`not on ${process.arch}`);
  const tracee = Tracee.interrupt(pid, arch);
  let handedOver: HandedOver | undefined;
  try {
    const elf = readElf(`/proc/${pid}/exe`);
    if (elf.machine !== arch.elfMachine) throw new UnsupportedError('it is built for another processor');
    const auxv = readAuxv(pid);
    if (auxv(AT_SECURE) !== 0n) throw new UnsupportedError('it runs with other rights than its parent');
    const stopped = tracee.registers();
    const registers = beforeRead(tracee, arch, stopped);
    requireClonable(pid);
    const { closedOnExec, reopened } = cloneDescriptorsOf(pid, streams);
    const signalMask = tracee.signalMask;
    // While it is no program it has no handlers to run.
    tracee.signalMask = ALL_SIGNALS;
    const base = mapStub(tracee, arch);
    const scratch = base + BigInt(CODE_BYTES);
    requireClonableState(tracee, arch, scratch);
    const thread = threadStateOf(tracee, arch, registers, scratch);
    const fields = statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'));
    const strings = {
      argument: BigInt(fields[ARGUMENTS_END] ?? 0),
      variablesEnd: BigInt(fields[ENVIRONMENT_BEGIN] ?? 0),
      envPointers: 0n,
    };
    const heapEnd = tracee.injectSyscall(arch.calls.brk, [0n]);
    handedOver = connectProcess(tracee, arch, scratch);
    const state = {
      ...thread,
      ...{ pid, attributes, signalMask, heapEnd },
      random: auxv(AT_RANDOM),
      // Frames on the stack hold it already.
      canary: 0n,
      descriptors: { socket: handedOver.theirs, lastStream: STREAMS - 1, closedOnExec, reopened },
    };
    startStub(tracee, arch, base, stopped, configurationOf(arch, state, strings, NO_STRINGS));
    tracee.detach();
    return handedOver.ours;
  } catch (error) {
    if (handedOver !== undefined) close(handedOver.ours);
    tracee.abandon();
    throw error;
  }
}

/**
 * The registers as they were before the read.
 *
 * @throws UnsupportedError where it is not in a read of its standard input any more, or that has read something
 */
function beforeRead(tracee: Tracee, arch: Arch, stopped: BigUint64Array): BigUint64Array {
  const { interruptedCall, callResult, callArguments, programCounter, enterKernel } = arch;
  if (interruptedCall === undefined) throw new UnsupportedError('the call that it waits in is not known');
  const call = BigInt.asIntN(64, stopped[interruptedCall] as bigint);
  const result = BigInt.asIntN(64, stopped[callResult] as bigint);
  const fd = BigInt.asIntN(32, stopped[callArguments[0] as number] as bigint);
  if (call !== BigInt(arch.calls.read) || fd !== 0n || result !== ERESTARTSYS)
    throw new UnsupportedError(`it does not wait in a read of its standard input (call ${call}, ${result})`);
  const registers = BigUint64Array.from(stopped);
  const at = (stopped[programCounter] as bigint) - BigInt(enterKernel.length);
  if (!tracee.read(at, enterKernel.length).equals(enterKernel))
    throw new UnsupportedError('it has not entered the kernel in the usual way');
  registers[programCounter] = at;
  registers[callResult] = BigInt(arch.calls.read);
  return registers;
}

/** What clone(2) does not pass on, and the C library has told the kernel (set_tid_address(2), set_robust_list(2)). */
function threadStateOf(tracee: Tracee, arch: Arch, registers: BigUint64Array, scratch: bigint): ThreadState {
  const word = (offset: number): bigint => tracee.readWord(scratch + BigInt(offset));
  tracee.write(scratch, Buffer.alloc(3 * PTR_BYTES));
  const noAddress = tracee.injectSyscall(arch.calls.prctl, [PR_GET_TID_ADDRESS, scratch, 0n, 0n, 0n]);
  if (noAddress !== 0n) throw new UnsupportedError(`PR_GET_TID_ADDRESS failed in it (${noAddress})`);
  const threadId = word(0);
  if (threadId === 0n || tracee.read(threadId, 4).readInt32LE(0) !== tracee.pid)
    throw new UnsupportedError('its C library does not keep its thread id as glibc does');
  const robust = [0n, scratch + BigInt(PTR_BYTES), scratch + BigInt(2 * PTR_BYTES)];
  const noList = tracee.injectSyscall(arch.injected.getRobustList, robust);
  if (noList !== 0n) throw new UnsupportedError(`get_robust_list failed in it (${noList})`);
  return { registers, threadId, robustList: word(PTR_BYTES), robustListBytes: word(2 * PTR_BYTES) };
}
