import { InvalidArchiveError } from './errors.js';
import { formatOf } from './file-formats.js';

/** One entry as the archive's directory lists it (APPNOTE.TXT 4.3.12). */
export interface ZipEntry {
  /** Counts from 0, in the order of the directory. */
  readonly index: number;
  /** Where its record lies, from the start of the archive. */
  readonly recordAt: number;
  /** The name's bytes as they are. */
  readonly name: Buffer;
  readonly extra: Buffer;
  /** The system that it was made on: 0 is DOS and Windows, 3 unix. */
  readonly madeOn: number;
  readonly flags: number;
  readonly method: number;
  readonly crc: number;
  readonly packedBytes: number;
  readonly bytes: number;
  /** The unix mode with its type; 0 if there is none. */
  readonly unixMode: number;
  /** Where its local header lies, from the start of the archive. */
  readonly headerAt: number;
}

/** Where the directory of an archive lies. All positions count from the first byte of the archive itself. */
export interface ZipDirectory {
  /** The archive, without the bytes that stand before it. */
  readonly archive: Buffer;
  readonly from: number;
  readonly to: number;
  readonly entries: number;
}

const END = 0x06054b50;
const END_BYTES = 22;
const MAX_COMMENT_BYTES = 0xffff;
const END64 = 0x06064b50;
const END64_BYTES = 56;
/** The record's own length does not count its signature and itself; what may follow its fields is for other programs. */
const END64_BEFORE_SIZE = 12;
const MAX_END64_BYTES = 64 * 1024;
const LOCATOR = 0x07064b50;
const LOCATOR_BYTES = 20;
const RECORD = 0x02014b50;
const RECORD_BYTES = 46;
const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const ZIP64_EXTRA = 0x0001;
const IN_ZIP64 = 0xffffffff;
const IN_ZIP64_DISK = 0xffff;

/**
 * Finds and checks the directory of a zip (APPNOTE.TXT 4.3), without keeping anything per entry but the place of its
 * data: whatever the archive claims, this takes 16 bytes an entry.
 *
 * As Python's zipfile does, it takes the directory for the bytes in front of the end record, as many as that record
 * says, whatever number of entries the record claims (the number wraps at 65,536), and takes bytes that stand before
 * the archive for no part of it.
 *
 * @param maxEntries more than that are not even counted
 * @throws InvalidArchiveError for a directory that can't be read or contradicts itself, and for entries whose data
 *   overlap
 * @returns undefined for more entries than that
 */
export function readZipDirectory(bytes: Buffer, maxEntries: number): ZipDirectory | undefined {
  const end = findEnd(bytes);
  try {
    return directoryBefore(bytes, end, maxEntries);
  } catch (error) {
    const isPart = ![0, IN_ZIP64_DISK].includes(bytes.readUInt16LE(end + 4));
    if (isPart)
      throw new InvalidArchiveError('it is the last part of a split zip: join the parts by `zip -s 0`');
    throw error;
  }
}

function directoryBefore(bytes: Buffer, end: number, maxEntries: number): ZipDirectory | undefined {
  const { size, offset, recordAt } = locateDirectory(bytes, end);
  const before = recordAt - size - offset;
  if (size > recordAt || before < 0) throw new InvalidArchiveError('its directory does not lie inside of it');
  const archive = bytes.subarray(before);
  const from = offset;
  const to = offset + size;
  let entries = 0;
  for (let at = from; at < to; at = endOfRecord(archive, at, to)) {
    if (++entries > maxEntries) return undefined;
  }
  const directory = { archive, from, to, entries };
  rejectOverlaps(directory);
  return directory;
}

/** The entries of a checked directory, one after the other; each is made anew, nothing is kept. */
export function* zipEntries({ archive, from, to }: ZipDirectory): Generator<ZipEntry> {
  let index = 0;
  for (let at = from; at < to; at = endOfRecord(archive, at, to)) yield entryAt(archive, at, index++);
}

/** The last end record that a comment follows to the end of the file, or just the last: bytes may stand behind it. */
function findEnd(bytes: Buffer): number {
  const lowest = Math.max(0, bytes.length - END_BYTES - MAX_COMMENT_BYTES);
  let last: number | undefined;
  for (let at = bytes.length - END_BYTES; at >= lowest; at--) {
    if (bytes[at] !== 0x50 || bytes.readUInt32LE(at) !== END) continue;
    if (at + END_BYTES + bytes.readUInt16LE(at + 20) === bytes.length) return at;
    last ??= at;
  }
  if (last === undefined) throw new InvalidArchiveError(`it ${describeOtherFormat(bytes)}`);
  return last;
}

function describeOtherFormat(bytes: Buffer): string {
  if (bytes.toString('latin1', 0, 5) === 'UEsDB') return 'is base64 of a zip once more: it was encoded twice';
  const format = formatOf(bytes);
  if (format !== undefined) return `is ${format}, not a zip`;
  if (bytes.length >= 4 && bytes.readUInt32LE(0) === LOCAL)
    return 'has no directory at its end: it was cut off';
  return 'is no zip: it has no directory at its end';
}

interface DirectoryLocation {
  readonly size: number;
  readonly offset: number;
  /** Where the directory ends and the first record behind it begins. */
  readonly recordAt: number;
}

function locateDirectory(bytes: Buffer, end: number): DirectoryLocation {
  const place = { size: bytes.readUInt32LE(end + 12), offset: bytes.readUInt32LE(end + 16), recordAt: end };
  const locator = end - LOCATOR_BYTES;
  if (locator < 0 || bytes.readUInt32LE(locator) !== LOCATOR) {
    return place;
  }
  const recordAt = findEnd64(bytes, locator);
  const size = wideNumber(bytes, recordAt + 40);
  const offset = wideNumber(bytes, recordAt + 48);
  const contradicts = (narrow: number, wide: number): boolean => narrow !== IN_ZIP64 && narrow !== wide;
  if (contradicts(place.size, size) || contradicts(place.offset, offset)) {
    throw new InvalidArchiveError('its two end records contradict each other');
  }
  return { size, offset, recordAt };
}

/**
 * The zip64 end record in front of its locator, which it reaches up to. The position that the locator names does not count
 * bytes that stand before the archive.
 */
function findEnd64(bytes: Buffer, locator: number): number {
  const lowest = Math.max(0, locator - MAX_END64_BYTES);
  for (let at = locator - END64_BYTES; at >= lowest; at--) {
    const isRecord = bytes.readUInt32LE(at) === END64;
    if (isRecord && at + END64_BEFORE_SIZE + wideNumber(bytes, at + 4) === locator) return at;
  }
  throw new InvalidArchiveError('its zip64 end record is not in its place');
}

/** Beyond the largest exact number nothing can lie inside of an archive anyway. */
function wideNumber(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

function endOfRecord(archive: Buffer, at: number, to: number): number {
  if (at + RECORD_BYTES > to || archive.readUInt32LE(at) !== RECORD) {
    throw new InvalidArchiveError('its directory is damaged');
  }
  const next =
    at +
    RECORD_BYTES +
    archive.readUInt16LE(at + 28) +
    archive.readUInt16LE(at + 30) +
    archive.readUInt16LE(at + 32);
  if (next > to) throw new InvalidArchiveError('its directory is damaged');
  return next;
}

function entryAt(archive: Buffer, at: number, index: number): ZipEntry {
  const nameAt = at + RECORD_BYTES;
  const extraAt = nameAt + archive.readUInt16LE(at + 28);
  const extra = archive.subarray(extraAt, extraAt + archive.readUInt16LE(at + 30));
  const wide = wideFields(extra);
  const field = (offset: number): number => {
    const value = archive.readUInt32LE(at + offset);
    return value === IN_ZIP64 ? (wide() ?? value) : value;
  };
  // The order in which the extra field has what the record has no room for.
  const bytes = field(24);
  const packedBytes = field(20);
  const headerAt = field(42);
  return {
    ...{ index, recordAt: at, extra, bytes, packedBytes, headerAt },
    name: archive.subarray(nameAt, extraAt),
    madeOn: archive.readUInt8(at + 5),
    flags: archive.readUInt16LE(at + 8),
    method: archive.readUInt16LE(at + 10),
    crc: archive.readUInt32LE(at + 16),
    unixMode: archive.readUInt16LE(at + 40),
  };
}

/** The numbers of the zip64 extra field (4.5.3), one at each call. */
function wideFields(extra: Buffer): () => number | undefined {
  let field = extraField(extra, ZIP64_EXTRA);
  return () => {
    if (field === undefined || field.length < 8) return undefined;
    const value = wideNumber(field, 0);
    field = field.subarray(8);
    return value;
  };
}

/** The data of the first extra field of that kind (4.5.1); undefined if there is none. */
export function extraField(extra: Buffer, kind: number): Buffer | undefined {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2);
    if (extra.readUInt16LE(at) === kind && end <= extra.length) return extra.subarray(at + 4, end);
    at = end;
  }
  return undefined;
}

/**
 * Entries that share their data make a small archive inflate to any size, and mean different things to different
 * readers.
 */
function rejectOverlaps(directory: ZipDirectory): void {
  const { archive, from, entries } = directory;
  const starts = new Float64Array(entries);
  const ends = new Float64Array(entries);
  let ascending = true;
  for (const { index, headerAt, packedBytes } of zipEntries(directory)) {
    starts[index] = headerAt;
    ends[index] = endOfData(archive, headerAt, packedBytes, from);
    ascending &&= index === 0 || headerAt >= (starts[index - 1] as number);
  }
  const order = Uint32Array.from(starts.keys());
  if (!ascending) order.sort((a, b) => (starts[a] as number) - (starts[b] as number));
  for (let at = 1; at < entries; at++) {
    if ((starts[order[at] as number] as number) < (ends[order[at - 1] as number] as number)) {
      throw new InvalidArchiveError('entries of it overlap');
    }
  }
}

function endOfData(archive: Buffer, headerAt: number, packedBytes: number, limit: number): number {
  const dataAt = headerAt + LOCAL_BYTES;
  if (dataAt > limit || archive.readUInt32LE(headerAt) !== LOCAL) {
    throw new InvalidArchiveError('an entry of it has no header where its directory says');
  }
  const end =
    dataAt + archive.readUInt16LE(headerAt + 26) + archive.readUInt16LE(headerAt + 28) + packedBytes;
  if (end > limit) throw new InvalidArchiveError('an entry of it does not lie inside the archive');
  return end;
}
