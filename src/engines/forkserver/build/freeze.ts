import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import { describeForbidden } from './allow-list.js';
import { AT_BASE, AT_ENTRY } from './auxv.js';
import type { CodeGuard } from './code-guard.js';
import { DT_PREINIT_ARRAY_BYTES, type Elf } from './elf.js';
import { FileFingerprint } from './file-fingerprint.js';
import { syscallPath } from './syscall-path.js';
import type { Tracee } from './tracee.js';

/**
 * The point at which a program is cloned: right behind execve(2), before its first instruction; or once loader and C
 * library are ready, before the first instruction of the program's own.
 */
export type FreezePoint = 'exec' | 'entry';

/** What happened on the way. What the C library told the kernel, clones tell it again; 0n where it did not. */
export interface KernelRegistrations {
  /** Where it looked for files, found or not. */
  readonly lookedUpFiles: FileFingerprint[];
  threadId: bigint;
  /** The number that it was told as its thread id, see {@link setFakeThreadId}; 0 where it did not ask. */
  fakeThreadId: number;
  robustList: bigint;
  robustListBytes: bigint;
}

/**
 * The address at which the program's own code begins, its constructors included.
 *
 * Behind a loader that is the entry: all libraries are loaded by then, and the program's constructors are called from
 * it. A static program's entry is that of its C library, which prepares itself and then calls the section `.init`
 * before any constructor; what it runs until then must be its own (static-start.ts).
 *
 * @throws UnsupportedError when there is no such place
 */
export function ownCodeAddress(elf: Elf, auxv: (key: number) => bigint): bigint {
  if (elf.loader !== undefined && auxv(AT_BASE) !== 0n) {
    if ((elf.dynamic.get(DT_PREINIT_ARRAY_BYTES) ?? 0n) !== 0n)
      throw new UnsupportedError('it has code that runs before its libraries');
    return auxv(AT_ENTRY);
  }
  const init = elf.sections.get('.init');
  if (init === undefined) throw new UnsupportedError('it is static and has no section .init');
  if ((elf.sections.get('.preinit_array')?.bytes ?? 0n) !== 0n)
    throw new UnsupportedError('it has code that runs before its section .init');
  return init.address - elf.entry + auxv(AT_ENTRY);
}

const MAX_SYSCALLS = 5000;
/** Larger than any process id (proc(5), pid_max), and positive as an int. */
const MIN_FAKE_TID = 2 ** 30;
const MAX_FAKE_TID = 2 ** 31 - 1;

/**
 * Makes set_tid_address(2), at whose entry the process is stopped, return a random, unique number, so that every copy
 * that the C library keeps of its thread id can be found by searching the memory. The real id would be a small number
 * like many others, above all in a new container. Clones get their own from clone(2).
 *
 * @param before what an earlier call has answered; 0 for none
 */
function setFakeThreadId(tracee: Tracee, arch: Arch, before: number): number {
  const reported = before === 0 ? randomInt(MIN_FAKE_TID, MAX_FAKE_TID) : before;
  if (tracee.resumeUntil('call').kind !== 'call')
    throw new UnsupportedError('it did not come back from set_tid_address');
  const registers = tracee.registers();
  registers[arch.callResult] = BigInt(reported);
  tracee.setRegisters(registers);
  return reported;
}

/** What there is of a program that has not begun. */
export function noRegistrations(): KernelRegistrations {
  return { lookedUpFiles: [], threadId: 0n, fakeThreadId: 0, robustList: 0n, robustListBytes: 0n };
}

/**
 * Lets the program run to an address, and checks each system call on the way.
 *
 * @param folder its working directory
 * @param guard withholds the program's code, so that it stops at the address by itself; undefined: a static program
 * @throws UnsupportedError naming the first call that is not allowed
 */
export function runUntil(
  tracee: Tracee,
  arch: Arch,
  address: bigint,
  folder: string,
  guard: CodeGuard | undefined,
): KernelRegistrations {
  const registered = noRegistrations();
  const start = tracee.registers()[arch.programCounter];
  if (start === address) return registered;
  const code = guard === undefined ? tracee.patch(address, arch.trap) : undefined;
  const { set_tid_address: setThreadId, set_robust_list: setRobustList, getrandom } = arch.calls;
  let randomCalls = 0;
  for (let calls = 0; ; ) {
    const stop = tracee.resumeUntil('call');
    if (stop.kind === 'signal') {
      if (stop.signal !== constants.signals.SIGSEGV || guard === undefined)
        throw new UnsupportedError(`signal ${stop.signal} before its own code began`);
      const at = tracee.registers()[arch.programCounter] as bigint;
      if (at === address) break;
      guard.skipConstructor(at);
      continue;
    }
    if (stop.kind === 'trap') break;
    const call = tracee.syscallEntry();
    if (call === undefined) {
      guard?.onSyscallExit();
      continue;
    }
    const refused = describeForbidden(arch, call);
    if (refused !== undefined) throw new UnsupportedError(`${refused} before its own code began`);
    if (++calls > MAX_SYSCALLS) throw new UnsupportedError('too many system calls before its own code began');
    guard?.onSyscallEntry(call);
    const path = syscallPath(tracee, arch, call, folder);
    // Looked at now, before the call is made: a change in between shows.
    if (path !== undefined && !registered.lookedUpFiles.some((place) => place.path === path))
      registered.lookedUpFiles.push(new FileFingerprint(path));
    const [first = 0n, second = 0n] = call.arguments;
    if (call.number === setThreadId) {
      registered.threadId = first;
      registered.fakeThreadId = setFakeThreadId(tracee, arch, registered.fakeThreadId);
    }
    if (call.number === setRobustList)
      Object.assign(registered, { robustList: first, robustListBytes: second });
    if (call.number === getrandom && ++randomCalls > 1)
      throw new UnsupportedError('random bytes were asked for twice before its own code began');
  }
  guard?.restore();
  if (code !== undefined) unpatch(tracee, arch, address, code);
  return registered;
}

/** Puts back what the trap at an address, which it stands at, took the place of. */
function unpatch(tracee: Tracee, arch: Arch, address: bigint, code: Buffer): void {
  const registers = tracee.registers();
  if (registers[arch.programCounter] !== address + BigInt(arch.trapAdvance))
    throw new UnsupportedError('it stopped at another place than where its own code begins');
  registers[arch.programCounter] = address;
  tracee.setRegisters(registers);
  tracee.patch(address, code);
}
