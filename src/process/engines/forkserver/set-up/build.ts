import { readlinkSync } from 'node:fs';
import { entryName } from '../../../../contract/environment.js';
import type { ActionImage } from '../../engine.js';
import type { Arch } from '../arch/arch.js';
import { from, Identification, type Identity } from '../identity.js';
import { Place } from '../place.js';
import { Changing, TooSlow, Unsuitable } from '../refusal.js';
import { launchStrings, type Shape } from '../shape.js';
import { STUB_CODE } from '../stub-code.js';
import { AT_ENTRY, AT_RANDOM, AT_SECURE, auxiliaryVector } from './auxiliary.js';
import { withholdClocks } from './clock-guard.js';
import { CodeGuard } from './code-guard.js';
import { CODE_BYTES, configurationOf, STUB_BYTES } from './configuration.js';
import { readElf } from './elf.js';
import { type FreezePoint, nothingRegistered, ownCodeBegins, type Registered, runTo } from './freeze.js';
import { canaryPlace, expectAlone, mappingsOf } from './inspection.js';
import type { Launcher } from './launch.js';
import { mapStack, type StackMap } from './stack-map.js';
import { expectLibrarysStart } from './static-start.js';
import { expectOneThreadId } from './thread-id.js';
import type { Tracee } from './tracee.js';

const PROT_READ_WRITE = 3n;
const PROT_READ_EXECUTE = 5n;
const MAP_PRIVATE_ANONYMOUS = 0x22n;

/** A template process that runs. */
export interface Built {
  readonly pid: number;
  readonly freezePoint: FreezePoint;
  /** Why it could not be stopped later; empty when it was. */
  readonly notLater: string;
  /** Whether that may be otherwise next time: the machine was too slow, or files changed meanwhile. */
  readonly notYet?: 'slow' | 'changing';
  readonly identity: Identity;
}

/** What a template is made of. */
export interface Plan {
  readonly action: ActionImage;
  readonly shape: Shape;
  /** The template's end of its socket. */
  readonly socket: number;
  /** Of a program that has no path: a descriptor of it, which the new process has as 0, its `exec` being {@link INPUT}. */
  readonly program?: number;
  /** Whether all of the program is known: it is the self-test's. */
  readonly known?: boolean;
  /** How long its start may take before it stands at the very begin; default {@link LONGEST_START_MS}. */
  readonly startLimitMs?: number;
  /** Why it is to stand at the very begin in any case. */
  readonly notLater?: string;
}

/** After so many milliseconds a start is given up; the thread waits for it. */
export const LONGEST_START_MS = 4000;

/** What a process executes that has its own program as descriptor 0. */
export const INPUT = '/proc/self/fd/0';

/**
 * Starts the action once, stops it before any code of its author has run, and puts the loop that clones it in its place.
 * Takes some milliseconds of the calling thread, at most as long as the limits of its starts.
 *
 * @throws Unsuitable when no template can be made of this action
 */
export function buildTemplate(launcher: Launcher, arch: Arch, plan: Plan): Built {
  if (plan.notLater !== undefined) return build(launcher, arch, plan, 'exec', plan.notLater);
  let cause: unknown;
  try {
    return build(launcher, arch, plan, 'entry', '');
  } catch (error) {
    cause = error;
  }
  const notLater = cause instanceof Error ? cause.message : String(cause);
  const built = build(launcher, arch, plan, 'exec', notLater);
  if (cause instanceof TooSlow) return { ...built, notYet: 'slow' };
  return cause instanceof Changing ? { ...built, notYet: 'changing' } : built;
}

function build(
  launcher: Launcher,
  arch: Arch,
  { action, shape, socket, program, known, startLimitMs = LONGEST_START_MS }: Plan,
  freezePoint: FreezePoint,
  notLater: string,
): Built {
  const { exec, folder } = action;
  const seen = program === undefined ? exec : `/proc/self/fd/${program}`;
  const identification = new Identification(seen, folder);
  const input = program === undefined ? {} : { input: program };
  const limitMs = freezePoint === 'entry' ? startLimitMs : LONGEST_START_MS;
  const tracee = launcher.launch({
    exec,
    folder,
    socket,
    limitMs,
    ...input,
    ...launchStrings(shape, action),
  });
  try {
    const auxiliary = auxiliaryVector(tracee.pid);
    if (auxiliary(AT_SECURE) !== 0n) throw new Unsuitable('it runs with other rights than its parent');
    const executable = readlinkSync(`/proc/${tracee.pid}/exe`);
    const elf = readElf(`/proc/${tracee.pid}/exe`);
    if (elf.machine !== arch.elfMachine) throw new Unsuitable('it is built for another processor');
    const stack = mapStack(tracee, tracee.registers()[arch.stackPointer] as bigint, shape);
    let registered = nothingRegistered();
    const loader = elf.loader === undefined ? [] : [new Place(from(folder, elf.loader))];
    if (freezePoint === 'entry') {
      if (action.environment.some((entry) => entryName(entry) === 'LD_AUDIT'))
        throw new Unsuitable('LD_AUDIT is set');
      const address = ownCodeBegins(elf, auxiliary);
      if (elf.loader !== undefined) {
        registered = runTo(tracee, arch, address, folder, new CodeGuard(tracee, arch, executable));
      } else {
        if (known !== true)
          expectLibrarysStart(tracee, arch, elf, `/proc/${tracee.pid}/exe`, auxiliary(AT_ENTRY));
        const giveBack = withholdClocks(tracee, arch);
        registered = runTo(tracee, arch, address, folder, undefined);
        giveBack();
      }
      const stackPointer = tracee.registers()[arch.stackPointer] as bigint;
      expectOneThreadId(tracee, registered.threadId, registered.toldThreadId, stackPointer);
    }
    expectAlone(tracee.pid);
    const mapped = mappingsOf(tracee.pid).filter(({ inode, path }) => inode !== '0' && path !== executable);
    const identity = identification.confirm(
      tracee.pid,
      [...loader, ...registered.asked],
      [...new Set(mapped.map(({ path }) => path))],
    );
    const frozen = {
      ...registered,
      random: auxiliary(AT_RANDOM),
      attributes: launcher.attributesOf(tracee.pid),
    };
    plant(tracee, arch, stack, shape, frozen);
    tracee.detach();
    return { pid: tracee.pid, freezePoint, notLater, identity };
  } catch (error) {
    tracee.end();
    throw error;
  }
}

/** Writes the loop into the process and has it go on there. */
function plant(
  tracee: Tracee,
  arch: Arch,
  stack: StackMap,
  shape: Shape,
  known: Registered & { readonly random: bigint; readonly attributes: Buffer },
): void {
  const { random, threadId, robustList, robustListBytes, attributes } = known;
  const registers = tracee.registers();
  const pointers = tracee.read(stack.pointersAt, stack.pointers.length);
  if (!pointers.equals(stack.pointers)) throw new Unsuitable('its arguments were moved');
  if (random === 0n) throw new Unsuitable('the kernel gave it no random bytes');
  const canary = canaryPlace(tracee, arch, registers, random);
  tracee.write(stack.argument, Buffer.alloc(shape.argumentRoom));
  tracee.write(stack.variablesEnd - BigInt(shape.variablesRoom), Buffer.alloc(shape.variablesRoom));
  const { mmap, mprotect, brk } = arch.calls;
  const none = BigInt.asUintN(64, -1n);
  const base = tracee.call(mmap, [0n, BigInt(STUB_BYTES), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, none, 0n]);
  if (base < 0n) throw new Unsuitable(`mmap failed in it (${base})`);
  const heapEnd = tracee.call(brk, [0n]);
  const state = {
    pid: tracee.pid,
    registers,
    threadId,
    robustList,
    robustListBytes,
    random,
    canary,
    heapEnd,
    attributes,
  };
  const { stub } = STUB_CODE[process.arch as 'x64' | 'arm64'];
  tracee.write(base, Buffer.from(stub, 'base64'));
  tracee.write(base + BigInt(CODE_BYTES), configurationOf(arch, state, stack, shape));
  const refused = tracee.call(mprotect, [base, BigInt(CODE_BYTES), PROT_READ_EXECUTE]);
  if (refused !== 0n) throw new Unsuitable(`mprotect failed in it (${refused})`);
  const next = BigUint64Array.from(registers);
  next[arch.programCounter] = base;
  if (arch.interruptedCall !== undefined) next[arch.interruptedCall] = none;
  tracee.setRegisters(next);
}
