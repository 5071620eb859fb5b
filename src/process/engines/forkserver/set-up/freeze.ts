import { randomInt } from 'node:crypto';
import { constants } from 'node:os';
import type { Arch } from '../arch/arch.js';
import { Place } from '../place.js';
import { Unsuitable } from '../refusal.js';
import { forbidden } from './allow-list.js';
import { askedPath } from './asked-path.js';
import { AT_BASE, AT_ENTRY } from './auxiliary.js';
import type { CodeGuard } from './code-guard.js';
import { DT_PREINIT_ARRAY_BYTES, type Elf } from './elf.js';
import type { Tracee } from './tracee.js';

/**
 * The point at which a program is cloned: right behind execve(2), before its first instruction; or once loader and C
 * library are ready, before the first instruction of the program's own.
 */
export type FreezePoint = 'exec' | 'entry';

/** What happened on the way. What the C library told the kernel, clones tell it again; 0n where it did not. */
export interface Registered {
  /** Where it looked for files, found or not. */
  readonly asked: Place[];
  threadId: bigint;
  /** The number that it was told as its thread id, see {@link disguise}; 0 where it did not ask. */
  toldThreadId: number;
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
 * @throws Unsuitable when there is no such place
 */
export function ownCodeBegins(elf: Elf, auxiliary: (key: number) => bigint): bigint {
  if (elf.loader !== undefined && auxiliary(AT_BASE) !== 0n) {
    if ((elf.dynamic.get(DT_PREINIT_ARRAY_BYTES) ?? 0n) !== 0n)
      throw new Unsuitable('it has code that runs before its libraries');
    return auxiliary(AT_ENTRY);
  }
  const init = elf.sections.get('.init');
  if (init === undefined) throw new Unsuitable('it is static and has no section .init');
  if ((elf.sections.get('.preinit_array')?.bytes ?? 0n) !== 0n)
    throw new Unsuitable('it has code that runs before its section .init');
  return init.address - elf.entry + auxiliary(AT_ENTRY);
}

const MOST_CALLS = 5000;
/** Larger than any process id (proc(5), pid_max), and positive as an int. */
const LEAST_TOLD = 2 ** 30;
const MOST_TOLD = 2 ** 31 - 1;

/**
 * Lets set_tid_address(2), at whose entry it stands, answer a number that stands nowhere else in the process's memory:
 * all that the C library makes of its thread id can be told by it. The id itself is as small as any other number, in a
 * container that has just begun above all. Clones get their own from clone(2).
 *
 * @param before what an earlier call has answered; 0 for none
 */
function disguise(tracee: Tracee, arch: Arch, before: number): number {
  const told = before === 0 ? randomInt(LEAST_TOLD, MOST_TOLD) : before;
  if (tracee.run('call').kind !== 'call') throw new Unsuitable('it did not come back from set_tid_address');
  const registers = tracee.registers();
  registers[arch.callResult] = BigInt(told);
  tracee.setRegisters(registers);
  return told;
}

/** What there is of a program that has not begun. */
export function nothingRegistered(): Registered {
  return { asked: [], threadId: 0n, toldThreadId: 0, robustList: 0n, robustListBytes: 0n };
}

/**
 * Lets the program run to an address, and checks each system call on the way.
 *
 * @param folder its working directory
 * @param guard withholds the program's code, so that it stops at the address by itself; undefined: a static program
 * @throws Unsuitable naming the first call that is not allowed
 */
export function runTo(
  tracee: Tracee,
  arch: Arch,
  address: bigint,
  folder: string,
  guard: CodeGuard | undefined,
): Registered {
  const registered = nothingRegistered();
  const start = tracee.registers()[arch.programCounter];
  if (start === address) return registered;
  const code = guard === undefined ? tracee.patch(address, arch.trap) : undefined;
  const { set_tid_address: setThreadId, set_robust_list: setRobustList, getrandom } = arch.calls;
  let randomCalls = 0;
  for (let calls = 0; ; ) {
    const stop = tracee.run('call');
    if (stop.kind === 'signal') {
      if (stop.signal !== constants.signals.SIGSEGV || guard === undefined)
        throw new Unsuitable(`signal ${stop.signal} before its own code began`);
      const at = tracee.registers()[arch.programCounter] as bigint;
      if (at === address) break;
      guard.skip(at);
      continue;
    }
    if (stop.kind === 'trap') break;
    const call = tracee.askedCall();
    if (call === undefined) {
      guard?.answered();
      continue;
    }
    const refused = forbidden(arch, call);
    if (refused !== undefined) throw new Unsuitable(`${refused} before its own code began`);
    if (++calls > MOST_CALLS) throw new Unsuitable('too many system calls before its own code began');
    guard?.asked(call);
    const path = askedPath(tracee, arch, call, folder);
    // Looked at now, before the call is made: a change in between shows.
    if (path !== undefined && !registered.asked.some((place) => place.path === path))
      registered.asked.push(new Place(path));
    const [first = 0n, second = 0n] = call.arguments;
    if (call.number === setThreadId) {
      registered.threadId = first;
      registered.toldThreadId = disguise(tracee, arch, registered.toldThreadId);
    }
    if (call.number === setRobustList)
      Object.assign(registered, { robustList: first, robustListBytes: second });
    if (call.number === getrandom && ++randomCalls > 1)
      throw new Unsuitable('random bytes were asked for twice before its own code began');
  }
  guard?.restore();
  if (code !== undefined) unpatch(tracee, arch, address, code);
  return registered;
}

/** Puts back what the trap at an address, which it stands at, took the place of. */
function unpatch(tracee: Tracee, arch: Arch, address: bigint, code: Buffer): void {
  const registers = tracee.registers();
  if (registers[arch.programCounter] !== address + BigInt(arch.trapAdvance))
    throw new Unsuitable('it stopped at another place than where its own code begins');
  registers[arch.programCounter] = address;
  tracee.setRegisters(registers);
  tracee.patch(address, code);
}
