import { readdirSync, readFileSync } from 'node:fs';
import type { Arch } from '../arch/arch.js';
import { Unsuitable } from '../refusal.js';
import type { Tracee } from './tracee.js';

/** What it was given, and nothing else. */
const DESCRIPTORS = '0 1 2 3';
/** More writable memory than this is not looked through. */
const MOST_SCANNED_BYTES = 16 * 1024 * 1024;

/** A part of a process's memory (proc(5), `/proc/[pid]/maps`). */
export interface Mapping {
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
    if (fields === null) throw new Unsuitable(`a line of its map can't be read: ${line}`);
    const [, begin, end, access = '', inode = '', path = ''] = fields;
    return { begin: BigInt(`0x${begin}`), end: BigInt(`0x${end}`), access, inode, path };
  });
}

/** One thread, and only the descriptors it was given: a clone has neither the others nor what they do. */
export function expectAlone(pid: number): void {
  const tasks = readdirSync(`/proc/${pid}/task`).length;
  if (tasks !== 1) throw new Unsuitable(`it has ${tasks} threads before its own code begins`);
  const descriptors = readdirSync(`/proc/${pid}/fd`).sort().join(' ');
  if (descriptors !== DESCRIPTORS) throw new Unsuitable(`it has the descriptors ${descriptors}`);
}

/**
 * The C library keeps its thread id where the kernel was told to clear it (glibc), and there alone: a clone's is
 * written by clone(2). A library that keeps it elsewhere (musl) or also elsewhere (glibc before 2.25 its process id)
 * would have the template's in each clone.
 *
 * @param address as given to set_tid_address(2); 0n when it was not called, so that nobody knows the id
 * @param told what that call has answered, a number that nothing else has
 * @throws Unsuitable naming the places
 */
export function expectOneThreadId(tracee: Tracee, address: bigint, told: number, stackPointer: bigint): void {
  if (address === 0n) return;
  const places: bigint[] = [];
  let scanned = 0;
  for (const { begin, end, access, path } of mappingsOf(tracee.pid)) {
    if (!access.startsWith('rw')) continue;
    // What lies below the stack pointer is nobody's any more.
    const from = path === '[stack]' ? stackPointer & ~7n : begin;
    scanned += Number(end - from);
    if (scanned > MOST_SCANNED_BYTES) break;
    places.push(...placesOf(tracee.read(from, Number(end - from)), told, from));
  }
  if (places.length === 1 && places[0] === address) return;
  const where = places.map((place) => place.toString(16)).join(', ') || 'nowhere';
  throw new Unsuitable(`its thread id is at ${where}, not at ${address.toString(16)} alone`);
}

function placesOf(bytes: Buffer, value: number, from: bigint): bigint[] {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const found: bigint[] = [];
  for (let at = words.indexOf(value); at >= 0; at = words.indexOf(value, at + 1))
    found.push(from + BigInt(4 * at));
  return found;
}

/**
 * Where the canary of the stack is kept; 0n where there is none yet.
 *
 * @throws Unsuitable when it is not made of AT_RANDOM as glibc does: then nobody knows what else was
 */
export function canaryPlace(tracee: Tracee, arch: Arch, registers: BigUint64Array, random: bigint): bigint {
  if (arch.canary === undefined) return 0n;
  const pointer = registers[arch.canary.threadPointer] as bigint;
  if (pointer === 0n) return 0n;
  const place = pointer + arch.canary.offset;
  const canary = tracee.readWord(place);
  if (canary === 0n) return 0n;
  if (canary !== (tracee.readWord(random) & ~0xffn))
    throw new Unsuitable('its stack canary is not made as glibc makes it');
  return place;
}
