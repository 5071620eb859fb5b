import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { UnsupportedError } from '../../errors.js';

const HEADER_BYTES = 64;
const PROGRAM_HEADER_BYTES = 56;
const SECTION_HEADER_BYTES = 64;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const MAX_HEADERS = 4096;
const DYNAMIC_ENTRY_BYTES = 16;

/** Tags of the dynamic section (elf(5)). */
export const DT_INIT = 12;
export const DT_INIT_ARRAY = 25;
export const DT_INIT_ARRAY_BYTES = 27;
export const DT_PREINIT_ARRAY_BYTES = 33;

/** A section's place, as linked, and in the file. */
interface Section {
  readonly address: bigint;
  readonly offset: number;
  readonly bytes: bigint;
}

/** What of a 64-bit ELF file tells where its code begins. */
export interface Elf {
  readonly machine: number;
  readonly entry: bigint;
  /** The path of the loader that starts it; undefined for a static program. */
  readonly loader: string | undefined;
  readonly dynamic: ReadonlyMap<number, bigint>;
  readonly sections: ReadonlyMap<string, Section>;
}

/**
 * Reads an ELF file.
 *
 * @throws UnsupportedError when it is none that this machine's 64-bit programs have
 */
export function readElf(path: string): Elf {
  const fd = openSync(path, 'r');
  try {
    return parse((offset, count) => {
      const bytes = Buffer.alloc(count);
      if (readSync(fd, bytes, 0, count, offset) !== count) throw new UnsupportedError(`${path} is cut off`);
      return bytes;
    }, fstatSync(fd).size);
  } finally {
    closeSync(fd);
  }
}

/** What a section holds in the file; empty where there is no such section. */
export function sectionBytes(path: string, section: Section | undefined): Buffer {
  const bytes = Buffer.alloc(Number(section?.bytes ?? 0n));
  if (section === undefined) return bytes;
  const fd = openSync(path, 'r');
  try {
    if (readSync(fd, bytes, 0, bytes.length, section.offset) !== bytes.length)
      throw new UnsupportedError(`${path} is cut off`);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

type Read = (offset: number, count: number) => Buffer;

function parse(read: Read, fileBytes: number): Elf {
  const header = read(0, HEADER_BYTES);
  if (header.toString('latin1', 0, 4) !== '\x7fELF' || header[4] !== 2 || header[5] !== 1)
    throw new UnsupportedError('it is no 64-bit little-endian ELF file');
  const programs = headers(
    read,
    Number(header.readBigUInt64LE(32)),
    header.readUInt16LE(56),
    PROGRAM_HEADER_BYTES,
  );
  const ofType = (type: number): Buffer | undefined => programs.find((one) => one.readUInt32LE(0) === type);
  return {
    machine: header.readUInt16LE(18),
    entry: header.readBigUInt64LE(24),
    loader: loaderOf(read, ofType(PT_INTERP)),
    dynamic: dynamicOf(read, ofType(PT_DYNAMIC)),
    sections: sectionsOf(read, header, fileBytes),
  };
}

function loaderOf(read: Read, program: Buffer | undefined): string | undefined {
  if (program === undefined) return undefined;
  const text = read(Number(program.readBigUInt64LE(8)), Number(program.readBigUInt64LE(32)));
  return text.toString('utf8', 0, text.indexOf(0));
}

function headers(read: Read, offset: number, count: number, size: number): Buffer[] {
  if (count === 0 || count > MAX_HEADERS) return [];
  const table = read(offset, count * size);
  return Array.from({ length: count }, (_, index) => table.subarray(index * size, (index + 1) * size));
}

function dynamicOf(read: Read, program: Buffer | undefined): Map<number, bigint> {
  const entries = new Map<number, bigint>();
  if (program === undefined) return entries;
  const table = read(Number(program.readBigUInt64LE(8)), Number(program.readBigUInt64LE(32)));
  for (let at = 0; at + DYNAMIC_ENTRY_BYTES <= table.length; at += DYNAMIC_ENTRY_BYTES) {
    const tag = Number(table.readBigInt64LE(at));
    if (tag === 0) break;
    if (!entries.has(tag)) entries.set(tag, table.readBigUInt64LE(at + 8));
  }
  return entries;
}

/** Empty where the file has been stripped of its section headers. */
function sectionsOf(read: Read, header: Buffer, fileBytes: number): Map<string, Section> {
  const found = new Map<string, Section>();
  const offset = Number(header.readBigUInt64LE(40));
  const count = header.readUInt16LE(60);
  if (offset === 0 || offset + count * SECTION_HEADER_BYTES > fileBytes) return found;
  const sections = headers(read, offset, count, SECTION_HEADER_BYTES);
  const names = sections[header.readUInt16LE(62)];
  if (names === undefined) return found;
  const text = read(Number(names.readBigUInt64LE(24)), Number(names.readBigUInt64LE(32)));
  for (const section of sections) {
    const start = section.readUInt32LE(0);
    const name = text.toString('latin1', start, text.indexOf(0, start));
    found.set(name, {
      address: section.readBigUInt64LE(16),
      offset: Number(section.readBigUInt64LE(24)),
      bytes: section.readBigUInt64LE(32),
    });
  }
  return found;
}
