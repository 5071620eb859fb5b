import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { UnsupportedError } from '../../errors.js';
import { MAX_REOPENED, type ReopenedDescriptor } from '../build/stub-configuration.js';

/** Standard input, standard output, standard error, and that of the answers. */
export const STREAMS = 4;
const O_ACCMODE = 3;
const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;
const O_LARGEFILE = 0o100000;
/** What a file may be opened with besides: none of these changes what a read gives. */
const HARMLESS_FLAGS = O_CLOEXEC | O_LARGEFILE;
/** The loop writes a number of three digits. */
const MAX_DESCRIPTOR = 999;
/** Devices that keep nothing of who has them open: null, zero, full, random, urandom. */
const STATELESS_DEVICES = new Set([0x103, 0x105, 0x107, 0x108, 0x109]);

/** What a clone gets instead of what the template has open. */
interface CloneDescriptors {
  /** Of the streams, by bits, which are closed on exec. */
  readonly closedOnExec: bigint;
  readonly reopened: readonly ReopenedDescriptor[];
}

/**
 * Decides for each descriptor of a stopped process what its clones get: a stream or a copy of one is the activation's,
 * a file that is only read is opened again, so that no two clones share its position.
 *
 * @param streams what its streams lead to, as `/proc/[pid]/fd` shows it
 * @throws UnsupportedError for any other descriptor: clones would share what it leads to
 */
export function cloneDescriptorsOf(pid: number, streams: readonly string[]): CloneDescriptors {
  const open = readdirSync(`/proc/${pid}/fd`).map(Number);
  let closedOnExec = 0n;
  for (const [fd, link] of streams.entries()) {
    const flags = open.includes(fd) ? flagsOf(pid, fd) : undefined;
    if (flags === undefined || readlinkSync(`/proc/${pid}/fd/${fd}`) !== link)
      throw new UnsupportedError(`its descriptor ${fd} is not the one that it was given`);
    if ((flags & ~HARMLESS_FLAGS) !== accessOf(fd))
      throw new UnsupportedError(`it has changed the mode of its descriptor ${fd}`);
    if ((flags & O_CLOEXEC) !== 0) closedOnExec |= 1n << BigInt(fd);
  }
  const further = open.filter((fd) => fd >= STREAMS);
  if (further.length > MAX_REOPENED) throw new UnsupportedError(`it has ${open.length} descriptors open`);
  return { closedOnExec, reopened: further.map((fd) => reopenedOf(pid, fd, streams)) };
}

function reopenedOf(pid: number, fd: number, streams: readonly string[]): ReopenedDescriptor {
  const link = readlinkSync(`/proc/${pid}/fd/${fd}`);
  const flags = flagsOf(pid, fd);
  const copyOf = streams.indexOf(link);
  if (fd > MAX_DESCRIPTOR) throw new UnsupportedError(`it has descriptor ${fd} open`);
  if (copyOf >= 0 && (flags & ~HARMLESS_FLAGS) === accessOf(copyOf))
    return { fd, flags: flags & O_CLOEXEC, copyOf };
  const file = statSync(`/proc/${pid}/fd/${fd}`);
  const isDevice = file.isCharacterDevice() && STATELESS_DEVICES.has(file.rdev);
  const isReadOnlyFile = file.isFile() && (flags & O_ACCMODE) === O_RDONLY;
  if (!isDevice && !isReadOnlyFile)
    throw new UnsupportedError(
      `its descriptor ${fd} leads to ${link}${file.isFile() ? ', which it may write to' : ''}`,
    );
  if ((flags & ~(HARMLESS_FLAGS | O_ACCMODE)) !== 0)
    throw new UnsupportedError(`its descriptor ${fd} to ${link} has the flags ${flags.toString(8)}`);
  if (/^lock:/m.test(fdinfo(pid, fd))) throw new UnsupportedError(`it has locked ${link}`);
  return { fd, flags, copyOf: -1 };
}

/** Read-only for standard input, write-only for the others. */
function accessOf(stream: number): number {
  return stream === 0 ? O_RDONLY : 1;
}

function fdinfo(pid: number, fd: number): string {
  return readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'latin1');
}

/** Of open(2), with O_CLOEXEC. */
function flagsOf(pid: number, fd: number): number {
  const flags = /^flags:\s*([0-7]+)$/m.exec(fdinfo(pid, fd))?.[1];
  if (flags === undefined) throw new UnsupportedError(`the flags of its descriptor ${fd} are not known`);
  return Number.parseInt(flags, 8);
}
