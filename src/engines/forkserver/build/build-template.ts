import { readlinkSync } from 'node:fs';
import type { ActionImage } from '../../../os/action-image.js';
import { entryName } from '../../../protocol/environment.js';
import { messageOf } from '../../../protocol/message-of.js';
import { BuildTimeoutError, FilesChangedError, UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import { AT_ENTRY, AT_RANDOM, AT_SECURE, readAuxv } from './auxv.js';
import { canaryAddress, mappingsOf, requireSingleThread } from './checks.js';
import { disableClocks } from './clock-guard.js';
import { CodeGuard } from './code-guard.js';
import { DependencyTracker, resolveFrom, type TemplateDependencies } from './dependencies.js';
import { readElf } from './elf.js';
import { FileFingerprint } from './file-fingerprint.js';
import {
  type FreezePoint,
  type KernelRegistrations,
  noRegistrations,
  ownCodeAddress,
  runUntil,
} from './freeze.js';
import { mapStub, startStub } from './inject-stub.js';
import type { Launcher } from './launch.js';
import { mapStack, type StackMap } from './stack-map.js';
import { requireLibcStart } from './static-start.js';
import { launchStrings, type StringLayout } from './string-layout.js';
import { configurationOf, FRESH_DESCRIPTORS } from './stub-configuration.js';
import { requireSingleThreadId } from './thread-id.js';
import type { Tracee } from './tracee.js';

/** A template process that runs. */
export interface BuiltTemplate {
  readonly pid: number;
  readonly freezePoint: FreezePoint;
  /** Why it could not be stopped later; empty when it was. */
  readonly freezePointReason: string;
  /** Whether that may be otherwise next time: the machine was too slow, or files changed meanwhile. */
  readonly retryReason?: 'slow' | 'changing';
  readonly dependencies: TemplateDependencies;
}

/** What a template is made of. */
export interface TemplatePlan {
  readonly action: ActionImage;
  readonly layout: StringLayout;
  /** The template's end of its socket. */
  readonly socket: number;
  /** Of a program that has no path: a descriptor of it, which the new process has as 0, its `exec` being {@link STDIN_PATH}. */
  readonly program?: number;
  /** Whether all of the program is known: it is the self-test's. */
  readonly isSelfTest?: boolean;
  /** How long its start may take before it stands at the very begin; default {@link MAX_START_MS}. */
  readonly maxStartMs?: number;
  /** Why it is to stand at the very begin in any case. */
  readonly freezePointReason?: string;
}

/** After so many milliseconds a start is given up; the thread waits for it. */
export const MAX_START_MS = 4000;

/** What a process executes that has its own program as descriptor 0. */
export const STDIN_PATH = '/proc/self/fd/0';

/**
 * Starts the action once, stops it before any code of its author has run, and puts the loop that clones it in its place.
 * Takes some milliseconds of the calling thread, at most as long as the limits of its starts.
 *
 * @throws UnsupportedError when no template can be made of this action
 */
export function buildTemplate(launcher: Launcher, arch: Arch, plan: TemplatePlan): BuiltTemplate {
  if (plan.freezePointReason !== undefined)
    return build(launcher, arch, plan, 'exec', plan.freezePointReason);
  let cause: unknown;
  try {
    return build(launcher, arch, plan, 'entry', '');
  } catch (error) {
    cause = error;
  }
  const notLater = messageOf(cause);
  const built = build(launcher, arch, plan, 'exec', notLater);
  if (cause instanceof BuildTimeoutError) return { ...built, retryReason: 'slow' };
  return cause instanceof FilesChangedError ? { ...built, retryReason: 'changing' } : built;
}

function build(
  launcher: Launcher,
  arch: Arch,
  { action, layout, socket, program, isSelfTest, maxStartMs = MAX_START_MS }: TemplatePlan,
  freezePoint: FreezePoint,
  freezePointReason: string,
): BuiltTemplate {
  const { exec, folder } = action;
  const seen = program === undefined ? exec : `/proc/self/fd/${program}`;
  const identification = new DependencyTracker(seen, folder);
  const input = program === undefined ? {} : { input: program };
  const maxRunMs = freezePoint === 'entry' ? maxStartMs : MAX_START_MS;
  const tracee = launcher.launch({
    exec,
    folder,
    socket,
    maxRunMs,
    ...input,
    ...launchStrings(layout, action),
  });
  try {
    const auxv = readAuxv(tracee.pid);
    if (auxv(AT_SECURE) !== 0n) throw new UnsupportedError('it runs with other rights than its parent');
    const executable = readlinkSync(`/proc/${tracee.pid}/exe`);
    const elf = readElf(`/proc/${tracee.pid}/exe`);
    if (elf.machine !== arch.elfMachine) throw new UnsupportedError('it is built for another processor');
    const stack = mapStack(tracee, tracee.registers()[arch.stackPointer] as bigint, layout);
    let registered = noRegistrations();
    const loader = elf.loader === undefined ? [] : [new FileFingerprint(resolveFrom(folder, elf.loader))];
    if (freezePoint === 'entry') {
      if (action.environment.some((entry) => entryName(entry) === 'LD_AUDIT'))
        throw new UnsupportedError('LD_AUDIT is set');
      const address = ownCodeAddress(elf, auxv);
      if (elf.loader !== undefined) {
        registered = runUntil(tracee, arch, address, folder, new CodeGuard(tracee, arch, executable));
      } else {
        if (isSelfTest !== true)
          requireLibcStart(tracee, arch, elf, `/proc/${tracee.pid}/exe`, auxv(AT_ENTRY));
        const giveBack = disableClocks(tracee, arch);
        registered = runUntil(tracee, arch, address, folder, undefined);
        giveBack();
      }
      const stackPointer = tracee.registers()[arch.stackPointer] as bigint;
      requireSingleThreadId(tracee, registered.threadId, registered.fakeThreadId, stackPointer);
    }
    requireSingleThread(tracee.pid);
    const mapped = mappingsOf(tracee.pid).filter(({ inode, path }) => inode !== '0' && path !== executable);
    const dependencies = identification.resolve(
      tracee.pid,
      [...loader, ...registered.lookedUpFiles],
      [...new Set(mapped.map(({ path }) => path))],
    );
    const frozen = {
      ...registered,
      random: auxv(AT_RANDOM),
      attributes: launcher.attributesOf(tracee.pid),
    };
    injectStub(tracee, arch, stack, layout, frozen);
    tracee.detach();
    return { pid: tracee.pid, freezePoint, freezePointReason, dependencies };
  } catch (error) {
    tracee.kill();
    throw error;
  }
}

/** Writes the loop into the process and has it go on there. */
function injectStub(
  tracee: Tracee,
  arch: Arch,
  stack: StackMap,
  layout: StringLayout,
  known: KernelRegistrations & { readonly random: bigint; readonly attributes: Buffer },
): void {
  const { random, threadId, robustList, robustListBytes, attributes } = known;
  const registers = tracee.registers();
  const pointers = tracee.read(stack.pointersAt, stack.pointers.length);
  if (!pointers.equals(stack.pointers)) throw new UnsupportedError('its arguments were moved');
  if (random === 0n) throw new UnsupportedError('the kernel gave it no random bytes');
  const canary = canaryAddress(tracee, arch, registers, random);
  tracee.write(stack.argument, Buffer.alloc(layout.argumentCapacityBytes));
  tracee.write(
    stack.variablesEnd - BigInt(layout.variablesCapacityBytes),
    Buffer.alloc(layout.variablesCapacityBytes),
  );
  const heapEnd = tracee.injectSyscall(arch.calls.brk, [0n]);
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
    descriptors: FRESH_DESCRIPTORS,
  };
  const base = mapStub(tracee, arch);
  startStub(tracee, arch, base, registers, configurationOf(arch, state, stack, layout));
}
