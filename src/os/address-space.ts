import { readFileSync } from 'node:fs';

const MIB = 1024 * 1024;
/** What V8 reserves for the code of a thread; its own 512 MiB are most of what a thread takes of the address space. */
const CODE_RANGE_MB = 64;
/** What a worker thread takes: the code range, heap, stack, an arena of malloc(3), buffers in flight. */
const THREAD_BYTES = (CODE_RANGE_MB + 128) * MIB;
/** For the heap of the main thread, the front end, native libraries and bodies. */
const OWN_BYTES = 512 * MIB;

/** How much of the address space there is, and is taken. */
interface AddressSpace {
  /** The soft limit (RLIMIT_AS, getrlimit(2)); Infinity for none. */
  readonly limitBytes: number;
  readonly takenBytes: number;
}

/**
 * How many worker threads the limit of the address space leaves room for. V8 reserves much more than it uses, and ends the
 * process if it can't, in the middle of whatever runs.
 *
 * @param wanted the most that there may be
 * @throws Error for the operator if there is no room for one
 */
export function threadsThatFit(wanted: number, { limitBytes, takenBytes } = addressSpace()): number {
  if (limitBytes === Infinity) return wanted;
  const needed = takenBytes + OWN_BYTES + THREAD_BYTES;
  if (limitBytes < needed) {
    throw new Error(
      `the limit of the address space (ulimit -v, RLIMIT_AS) is ${mib(limitBytes)} MiB; the server needs ${mib(needed)} MiB`,
    );
  }
  return Math.min(wanted, 1 + Math.floor((limitBytes - needed) / THREAD_BYTES));
}

/** What V8 is told of a worker thread; nothing if the address space has no limit. */
export function threadLimits(): { readonly codeRangeSizeMb?: number } {
  return addressSpace().limitBytes === Infinity ? {} : { codeRangeSizeMb: CODE_RANGE_MB };
}

function addressSpace(): AddressSpace {
  const [, soft] = /^Max address space +(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1')) ?? [];
  if (soft === undefined) return { limitBytes: Infinity, takenBytes: 0 };
  const [, kib] = /^VmSize:\s+(\d+)/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? [];
  return { limitBytes: Number(soft), takenBytes: Number(kib ?? 0) * 1024 };
}

function mib(bytes: number): number {
  return Math.ceil(bytes / MIB);
}
