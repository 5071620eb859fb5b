import { closeSync, openSync, readSync } from 'node:fs';
import { UnsupportedError } from '../../errors.js';
import { mappingsOf } from './checks.js';
import type { Tracee } from './tracee.js';

/** More memory that was written to is not looked through: it takes too long. */
const MAX_SCANNED_BYTES = 64 * 1024 * 1024;
const PIECE_BYTES = 256 * 1024;
const PAGE_BYTES = 4096;
/** `/proc/[pid]/pagemap` (proc(5)): a word for each page; its two highest bits say that it is in memory, or swapped out. */
const PAGEMAP_WORD_BYTES = 8;
const PRESENT_OR_SWAPPED = 0xc0;

const piece = Buffer.alloc(PIECE_BYTES);
const pageWords = Buffer.alloc((PIECE_BYTES / PAGE_BYTES) * PAGEMAP_WORD_BYTES);

/**
 * The C library keeps its thread id where the kernel was told to clear it (glibc), and there alone: a clone's is
 * written by clone(2). A library that keeps it elsewhere (musl) or also elsewhere (glibc before 2.25 its process id)
 * would have the template's in each clone. All memory that it has written to is looked through.
 *
 * @param address as given to set_tid_address(2); 0n when it was not called, so that nobody knows the id
 * @param fakeThreadId what that call has answered, a number that nothing else has
 * @throws UnsupportedError naming the places, or that there is too much memory
 */
export function requireSingleThreadId(
  tracee: Tracee,
  address: bigint,
  fakeThreadId: number,
  stackPointer: bigint,
): void {
  if (address === 0n) return;
  const places: bigint[] = [];
  let scanned = 0;
  const pagemap = openPagemap(tracee.pid);
  try {
    for (const { begin, end, access, path } of mappingsOf(tracee.pid)) {
      if (!access.startsWith('rw')) continue;
      // What lies below the stack pointer is nobody's any more.
      const from = path === '[stack]' ? stackPointer & ~7n : begin;
      for (const [at, bytes] of writtenParts(pagemap, from, end)) {
        scanned += bytes;
        if (scanned > MAX_SCANNED_BYTES)
          throw new UnsupportedError(
            `it has written to more than ${MAX_SCANNED_BYTES >> 20} MiB before its own code`,
          );
        tracee.readInto(at, piece.subarray(0, bytes));
        places.push(...addressesOf(piece.subarray(0, bytes), fakeThreadId, at));
      }
    }
  } finally {
    if (pagemap !== undefined) closeSync(pagemap);
  }
  if (places.length === 1 && places[0] === address) return;
  const where = places.map((place) => place.toString(16)).join(', ') || 'nowhere';
  throw new UnsupportedError(`its thread id is at ${where}, not at ${address.toString(16)} alone`);
}

/** Undefined where this system has none: then all memory counts as written to. */
function openPagemap(pid: number): number | undefined {
  try {
    return openSync(`/proc/${pid}/pagemap`, 'r');
  } catch {
    return undefined;
  }
}

/** The parts of some memory, none larger than a piece, of which a page has been touched; the others hold zeros still. */
function* writtenParts(
  pagemap: number | undefined,
  from: bigint,
  end: bigint,
): Generator<readonly [at: bigint, bytes: number]> {
  for (let at = from; at < end; ) {
    const next = (at / BigInt(PIECE_BYTES) + 1n) * BigInt(PIECE_BYTES);
    const bytes = Number((next < end ? next : end) - at);
    if (pagemap === undefined || isTouched(pagemap, at, bytes)) yield [at, bytes];
    at += BigInt(bytes);
  }
}

function isTouched(pagemap: number, at: bigint, bytes: number): boolean {
  const first = at / BigInt(PAGE_BYTES);
  const last = (at + BigInt(bytes) - 1n) / BigInt(PAGE_BYTES);
  const wanted = Number(last - first + 1n) * PAGEMAP_WORD_BYTES;
  const got = readSync(pagemap, pageWords, 0, wanted, first * BigInt(PAGEMAP_WORD_BYTES));
  if (got !== wanted) return true;
  for (let word = 0; word < wanted; word += PAGEMAP_WORD_BYTES)
    if (((pageWords[word + PAGEMAP_WORD_BYTES - 1] as number) & PRESENT_OR_SWAPPED) !== 0) return true;
  return false;
}

function addressesOf(bytes: Buffer, value: number, from: bigint): bigint[] {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  const found: bigint[] = [];
  for (let at = words.indexOf(value); at >= 0; at = words.indexOf(value, at + 1))
    found.push(from + BigInt(4 * at));
  return found;
}
