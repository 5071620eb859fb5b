import { readdirSync, readFileSync } from 'node:fs';
import { statFields } from '../../../os/proc-stat.js';
import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import type { Tracee } from '../build/tracee.js';

/**
 * What fork(2) and clone(2) do not pass on, or pass on as something that parent and child share. A clone of a program
 * that has any of it would not be what the program was. docs/guides/snapshots.md goes through their lists one by one.
 */

const PR_GET_PDEATHSIG = 2n;
const PR_GET_DUMPABLE = 3n;
const PR_GET_CHILD_SUBREAPER = 37n;
const INTERVAL_TIMERS = ['a real-time', 'a virtual', 'a profiling'];
const TIMER_BYTES = 32;
const GROUP_FIELD = 2;
const SESSION_FIELD = 3;

/**
 * What /proc shows of a stopped process.
 *
 * @throws UnsupportedError naming what a clone would not have, or would share
 */
export function requireClonable(pid: number): void {
  const text = (name: string): string => readFileSync(`/proc/${pid}/${name}`, 'latin1');
  const threads = readdirSync(`/proc/${pid}/task`).length;
  if (threads !== 1) throw new UnsupportedError(`it has ${threads} threads`);
  const children = text(`task/${pid}/children`).trim();
  if (children !== '') throw new UnsupportedError(`it has child processes (${children})`);
  requireOwnGroup(pid, statFields(text('stat')));
  requireStatus(text('status'));
  if (text('timers').trim() !== '') throw new UnsupportedError('it has a timer (timer_create)');
  requirePrivateMemory(text('smaps'));
}

function requireOwnGroup(pid: number, fields: readonly string[]): void {
  const server = statFields(readFileSync('/proc/self/stat', 'latin1'));
  if (Number(fields[GROUP_FIELD]) !== pid) throw new UnsupportedError('it has left its process group');
  if (fields[SESSION_FIELD] !== server[SESSION_FIELD])
    throw new UnsupportedError('it has made a session (setsid)');
  for (const other of readdirSync('/proc')) {
    if (!/^\d+$/.test(other) || Number(other) === pid) continue;
    if (groupOf(other) === pid) throw new UnsupportedError(`process ${other} is in its process group`);
  }
}

function groupOf(pid: string): number | undefined {
  try {
    return Number(statFields(readFileSync(`/proc/${pid}/stat`, 'latin1'))[GROUP_FIELD]);
  } catch {
    // It has ended.
    return undefined;
  }
}

function requireStatus(status: string): void {
  const field = (name: string): string =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim() ?? '';
  for (const name of ['SigPnd', 'ShdPnd'])
    if (!/^0*$/.test(field(name))) throw new UnsupportedError('it has a pending signal');
  if (!/^0 kB$/.test(field('VmLck'))) throw new UnsupportedError('it has locked memory (mlock)');
}

/** A line of /proc/[pid]/smaps that begins a mapping. */
const MAPPING = /^[0-9a-f]+-[0-9a-f]+ (\S{4}) \S+ \S+ \d+ *(.*)$/;

function requirePrivateMemory(smaps: string): void {
  let mapping = '';
  for (const line of smaps.split('\n')) {
    const [, access = '', path = ''] = MAPPING.exec(line) ?? [];
    if (access !== '') {
      mapping = path;
      if (access.endsWith('s') && access.includes('w'))
        throw new UnsupportedError(`it has shared memory that it may write to (${path || 'anonymous'})`);
    } else if (line.startsWith('VmFlags:')) {
      const flags = line.slice('VmFlags:'.length).trim().split(' ');
      // A shared mapping that is read-only now and may become writable (mprotect(2)).
      if (flags.includes('sh') && flags.includes('mw'))
        throw new UnsupportedError(
          `it has shared memory that it may make writable (${mapping || 'anonymous'})`,
        );
      if (flags.includes('dc') && !isKernels(mapping))
        throw new UnsupportedError(`it keeps memory from its children (madvise, ${mapping || 'anonymous'})`);
    }
  }
}

/** The pages that the kernel gives every process, clones too. */
function isKernels(path: string): boolean {
  return /^\[(vvar|vvar_vclock|vdso|vsyscall)\]$/.test(path);
}

/**
 * What only the process itself can ask for.
 *
 * @param scratch memory of the process that may be written
 */
export function requireClonableState(tracee: Tracee, arch: Arch, scratch: bigint): void {
  for (const [which, name] of INTERVAL_TIMERS.entries()) {
    const failed = tracee.injectSyscall(arch.injected.getitimer, [BigInt(which), scratch]);
    if (failed !== 0n) throw new UnsupportedError(`getitimer failed in it (${failed})`);
    if (tracee.read(scratch, TIMER_BYTES).some((byte) => byte !== 0))
      throw new UnsupportedError(`it has ${name} timer (setitimer, alarm)`);
  }
  const { prctl } = arch.calls;
  const asked = (option: bigint): number => {
    tracee.write(scratch, Buffer.alloc(4));
    const failed = tracee.injectSyscall(prctl, [option, scratch, 0n, 0n, 0n]);
    if (failed !== 0n) throw new UnsupportedError(`prctl failed in it (${failed})`);
    return tracee.read(scratch, 4).readUInt32LE(0);
  };
  if (asked(PR_GET_PDEATHSIG) !== 0)
    throw new UnsupportedError('it has asked for a signal at the death of its parent');
  if (asked(PR_GET_CHILD_SUBREAPER) !== 0) throw new UnsupportedError('it has made itself a child subreaper');
  if (tracee.injectSyscall(prctl, [PR_GET_DUMPABLE, 0n, 0n, 0n, 0n]) !== 1n)
    throw new UnsupportedError('it has made itself not dumpable');
  tracee.write(scratch, Buffer.alloc(TIMER_BYTES));
}
