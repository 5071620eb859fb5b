import { Unsuitable } from '../refusal.js';
import { type Mapping, mappingsOf } from './inspection.js';
import type { Tracee } from './tracee.js';

/** More writable memory than this is not looked through. */
const MOST_SCANNED_BYTES = 16 * 1024 * 1024;

/** Where a process has its own number in its writable memory. */
export interface Sightings {
  readonly pid: number;
  /** Its writable mappings and their sizes: where these differ, places can't be compared. */
  readonly layout: string;
  readonly places: readonly Place[];
}

interface Place {
  readonly address: bigint;
  /** The same in every process of this program with this layout, whatever its addresses are. */
  readonly relative: string;
}

/** The number is in further places, which may be chance: another process of the program can tell. */
export class ThreadIdUndecided extends Unsuitable {
  readonly sightings: Sightings;

  constructor(message: string, sightings: Sightings) {
    super(message);
    this.sightings = sightings;
  }
}

/**
 * The C library keeps its thread id where the kernel was told to clear it (glibc), and there alone: a clone's is
 * written by clone(2). A library that keeps it elsewhere (musl) or also elsewhere (glibc before 2.25 its process id)
 * would have the template's in each clone.
 *
 * In a container process ids are small numbers, which memory is full of. A place that had another process's number
 * when that was at the same point of the same program, and has not this one's, does not hold a thread id.
 *
 * @param address as given to set_tid_address(2); 0n when it was not called
 * @param origin the stack pointer at the first instruction
 * @param others what was seen in other processes of the program
 * @throws ThreadIdUndecided when another process is needed to tell
 */
export function expectOneThreadId(
  tracee: Tracee,
  address: bigint,
  stackPointer: bigint,
  origin: bigint,
  others: readonly Sightings[],
): void {
  const { pid } = tracee;
  const { places, layout } = look(tracee, stackPointer, origin);
  const elsewhere = places.filter((place) => place.address !== address);
  const isThere = address === 0n || places.length > elsewhere.length;
  if (isThere && elsewhere.length === 0) return;
  const where = places.map((place) => place.address.toString(16)).join(', ') || 'nowhere';
  const message = `its thread id is at ${where}, not at ${address.toString(16)} alone`;
  if (!isThere) throw new Unsuitable(message);
  const other = others.find((sightings) => sightings.pid !== pid && sightings.layout === layout);
  if (other === undefined) throw new ThreadIdUndecided(message, { pid, layout, places: elsewhere });
  const there = new Set(other.places.map(({ relative }) => relative));
  if (elsewhere.some(({ relative }) => there.has(relative))) throw new Unsuitable(message);
}

function look(
  tracee: Tracee,
  stackPointer: bigint,
  origin: bigint,
): { layout: string; places: readonly Place[] } {
  const places: Place[] = [];
  const layout: string[] = [];
  let scanned = 0;
  for (const [mapping, name] of named(mappingsOf(tracee.pid))) {
    const { begin, end, access, path } = mapping;
    if (!access.startsWith('rw')) continue;
    const isStack = path === '[stack]';
    // What lies below the stack pointer is nobody's any more.
    const from = isStack ? stackPointer & ~7n : begin;
    scanned += Number(end - from);
    if (scanned > MOST_SCANNED_BYTES) break;
    // The kernel leaves a random gap above what a program has on its stack.
    layout.push(isStack ? name : `${name} ${end - begin}`);
    const base = isStack ? origin : begin;
    for (const address of placesOf(tracee.read(from, Number(end - from)), tracee.pid, from))
      places.push({ address, relative: `${name} ${address - base}` });
  }
  return { layout: layout.sort((one, other) => one.localeCompare(other)).join('\n'), places };
}

/**
 * Mappings with names that do not depend on their order, which differs from process to process: the kernel puts large
 * files at addresses that suit large pages, and smaller ones into the gaps.
 */
function named(mappings: readonly Mapping[]): [Mapping, string][] {
  const seen = new Map<string, number>();
  return mappings.map((mapping, index) => {
    const before = mappings[index - 1];
    const { begin, end, path } = mapping;
    const after = before?.end === begin && before.path !== '' ? `after ${before.path}` : `${end - begin}`;
    const kind = path || after;
    const count = seen.get(kind) ?? 0;
    seen.set(kind, count + 1);
    return [mapping, `${kind} ${count}`];
  });
}

function placesOf(bytes: Buffer, value: number, from: bigint): bigint[] {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const found: bigint[] = [];
  for (let at = words.indexOf(value); at >= 0; at = words.indexOf(value, at + 1))
    found.push(from + BigInt(4 * at));
  return found;
}
