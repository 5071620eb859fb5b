import { crc32, createInflateRaw, inflateRawSync } from 'node:zlib';
import type { default as AdmZip } from 'adm-zip';
import { ArchiveTooLarge, BadArchive } from './refusals.js';

/** What may still be inflated of one archive; counted down by the bytes that really came out (C-INIT-12). */
export interface InflateBudget {
  remainingBytes: number;
}

const STORED = 0;
const DEFLATED = 8;

/** Up to here one call is cheaper than a stream; beyond, a stream keeps memory flat. */
const ONE_CALL_BYTES = 256 * 1024;

/**
 * An entry that grows more than this many times, past a size where it could matter, is a bomb: deflate
 * reaches 1032:1 on nothing but repetition, programs and data stay far below.
 */
const BOMB_RATIO = 250;
const BOMB_FLOOR_BYTES = 16 * 1024 * 1024;

/**
 * Inflates one entry, checks its size and CRC-32 against the archive's directory, and hands out the bytes.
 *
 * @param write gets the bytes in order; a chunk is valid only during the call
 * @throws BadArchive when the entry is corrupt or its method unknown, ArchiveTooLarge when over budget
 */
export async function inflateEntry(
  entry: AdmZip.IZipEntry,
  budget: InflateBudget,
  write: (chunk: Buffer) => void,
): Promise<void> {
  const name = JSON.stringify(entry.rawEntryName.toString('utf8'));
  const { method, size, crc } = entry.header;
  const packed = packedBytes(entry, name);
  const seen = { bytes: 0, crc: 0 };
  const take = (chunk: Buffer): void => {
    seen.bytes += chunk.length;
    budget.remainingBytes -= chunk.length;
    refuseExcess(name, budget, seen.bytes, packed.length);
    seen.crc = crc32(chunk, seen.crc);
    write(chunk);
  };
  if (method === STORED) take(packed);
  else if (method === DEFLATED) await inflate(packed, size, take, name);
  else throw new BadArchive(`the entry ${name} is packed with an unknown method (${method})`);
  if (seen.bytes !== size)
    throw new BadArchive(`the entry ${name} has ${seen.bytes} bytes, not ${size} as it says`);
  if (seen.crc !== crc) throw new BadArchive(`the entry ${name} has a wrong checksum`);
}

function packedBytes(entry: AdmZip.IZipEntry, name: string): Buffer {
  if ((entry.header.flags & 1) !== 0) throw new BadArchive(`the entry ${name} is encrypted`);
  try {
    return entry.getCompressedData();
  } catch {
    throw new BadArchive(`the entry ${name} does not lie inside the archive`);
  }
}

function refuseExcess(name: string, budget: InflateBudget, bytes: number, packedLength: number): void {
  if (budget.remainingBytes < 0)
    throw new ArchiveTooLarge(`it inflates beyond the limit, at the entry ${name}`);
  if (bytes > BOMB_FLOOR_BYTES && bytes > packedLength * BOMB_RATIO) {
    throw new ArchiveTooLarge(`the entry ${name} inflates to more than ${BOMB_RATIO} times its packed size`);
  }
}

async function inflate(
  packed: Buffer,
  size: number,
  take: (chunk: Buffer) => void,
  name: string,
): Promise<void> {
  try {
    if (size <= ONE_CALL_BYTES) {
      take(inflateRawSync(packed, { maxOutputLength: Math.max(size, 1) }));
      return;
    }
    const stream = createInflateRaw({ chunkSize: ONE_CALL_BYTES });
    stream.end(packed);
    for await (const chunk of stream) take(chunk as Buffer);
  } catch (error) {
    if (error instanceof ArchiveTooLarge || (error as NodeJS.ErrnoException).syscall !== undefined)
      throw error;
    const code = (error as NodeJS.ErrnoException).code;
    const reason = code === 'ERR_BUFFER_TOO_LARGE' ? `has more than the ${size} bytes it says` : 'is corrupt';
    throw new BadArchive(`the entry ${name} ${reason}`);
  }
}
