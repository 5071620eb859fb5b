import { readlinkSync } from 'node:fs';
import { entryName } from '../../../../contract/environment.js';
import type { ActionImage } from '../../engine.js';
import type { Arch } from '../arch/arch.js';
import { from, Identification, type Identity } from '../identity.js';
import { Place } from '../place.js';
import { TooSlow, Unsuitable } from '../refusal.js';
import { launchStrings, type Shape } from '../shape.js';
import { STUB_CODE } from '../stub-code.js';
import { AT_RANDOM, AT_SECURE, auxiliaryVector } from './auxiliary.js';
import { CODE_BYTES, configurationOf, STUB_BYTES } from './configuration.js';
import { expectHarmlessConstructors } from './constructors.js';
import { readElf } from './elf.js';
import { type FreezePoint, nothingRegistered, ownCodeBegins, type Registered, runTo } from './freeze.js';
import { canaryPlace, expectAlone, expectOneThreadId, mappingsOf } from './inspection.js';
import type { Launcher } from './launch.js';
import { mapStack, type StackMap } from './stack-map.js';
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
}

/** What a process executes that has its own program as descriptor 0. */
export const INPUT = '/proc/self/fd/0';

/**
 * Starts the action once, stops it before any code of its author has run, and puts the loop that clones it in its place.
 * Takes some milliseconds, a second at most, of the calling thread.
 *
 * @throws Unsuitable when no template can be made of this action
 */
export function buildTemplate(launcher: Launcher, arch: Arch, plan: Plan): Built {
  let notLater: string;
  try {
    return build(launcher, arch, plan, 'entry', '');
  } catch (error) {
    if (error instanceof TooSlow) throw error;
    notLater = error instanceof Error ? error.message : String(error);
  }
  return build(launcher, arch, plan, 'exec', notLater);
}

function build(
  launcher: Launcher,
  arch: Arch,
  { action, shape, socket, program }: Plan,
  freezePoint: FreezePoint,
  notLater: string,
): Built {
  const { exec, folder } = action;
  const seen = program === undefined ? exec : `/proc/self/fd/${program}`;
  const identification = new Identification(seen, folder);
  const input = program === undefined ? {} : { input: program };
  const tracee = launcher.launch({ exec, folder, socket, ...input, ...launchStrings(shape, action) });
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
      registered = runTo(tracee, arch, ownCodeBegins(elf, auxiliary), folder);
      expectHarmlessConstructors(tracee, executable);
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
    const known = {
      ...registered,
      random: auxiliary(AT_RANDOM),
      attributes: launcher.attributesOf(tracee.pid),
    };
    plant(tracee, arch, stack, shape, known);
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
