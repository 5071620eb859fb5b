import { readdirSync, readFileSync } from 'node:fs';
import { UnsupportedError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import type { Tracee } from './tracee.js';

/** What it was given, and nothing else. */
const DESCRIPTORS = '0 1 2 3';
/** A part of a process's memory (proc(5), `/proc/[pid]/maps`). */
interface Mapping {
  readonly begin: bigint;
  readonly end: bigint;
  readonly access: string;
  readonly inode: string;
  readonly path: string;
}

export function mappingsOf(pid: number): Mapping[] {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').trimEnd().split('\n');
  return lines.map((line) => {
    const fields = /^([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+) *(.*)$/.exec(line);
    if (fields === null) throw new UnsupportedError(`a line of its map can't be read: ${line}`);
    const [, begin, end, access = '', inode = '', path = ''] = fields;
    return { begin: BigInt(`0x${begin}`), end: BigInt(`0x${end}`), access, inode, path };
  });
}

/** One thread, and only the descriptors it was given: a clone has neither the others nor what they do. */
export function requireSingleThread(pid: number): void {
  const tasks = readdirSync(`/proc/${pid}/task`).length;
  if (tasks !== 1) throw new UnsupportedError(`it has ${tasks} threads before its own code begins`);
  const descriptors = readdirSync(`/proc/${pid}/fd`).sort().join(' ');
  if (descriptors !== DESCRIPTORS) throw new UnsupportedError(`it has the descriptors ${descriptors}`);
}

/**
 * Where the canary of the stack is kept; 0n where there is none yet.
 *
 * @throws UnsupportedError when it is not made of AT_RANDOM as glibc does: then nobody knows what else was
 */
export function canaryAddress(tracee: Tracee, arch: Arch, registers: BigUint64Array, random: bigint): bigint {
  if (arch.canary === undefined) return 0n;
  const pointer = registers[arch.canary.threadPointer] as bigint;
  if (pointer === 0n) return 0n;
  const place = pointer + arch.canary.offset;
  const canary = tracee.readWord(place);
  if (canary === 0n) return 0n;
  if (canary !== (tracee.readWord(random) & ~0xffn))
    throw new UnsupportedError('its stack canary is not made as glibc makes it');
  return place;
}
