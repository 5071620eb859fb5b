import { crc32, createInflateRaw } from 'node:zlib';
import type { default as AdmZip } from 'adm-zip';
import { InvalidArchiveError } from './errors.js';
import type { UnpackBudget } from './unpack-budget.js';
import type { ZipEntry } from './zip-directory.js';

const STORED = 0;
const DEFLATED = 8;
const FLAG_ENCRYPTED = 1;
/** Other methods that are in use (APPNOTE.TXT 4.4.5), for messages. */
const METHODS = new Map([
  [1, 'shrink'],
  [6, 'implode'],
  [9, 'Deflate64'],
  [12, 'bzip2'],
  [14, 'LZMA'],
  [20, 'zstd'],
  [93, 'zstd'],
  [95, 'xz'],
  [96, 'JPEG'],
  [97, 'WavPack'],
  [98, 'PPMd'],
]);
/** What stands for the method of an encrypted entry. */
const AES = 99;

/** Up to here one call is cheaper than a stream; beyond, a stream keeps memory flat. */
const MAX_SYNC_BYTES = 256 * 1024;

/**
 * Unpacks one entry, checks its size and CRC-32 against the archive's directory, and hands out the bytes. Small ones
 * come from adm-zip whole, large ones as a stream.
 *
 * @param packed the same entry as adm-zip has it
 * @param shown its name in messages
 * @param write gets the bytes in order; a chunk is valid only during the call
 * @throws InvalidArchiveError when the entry is corrupt or its method unknown, ArchiveTooLargeError when over budget
 */
export async function inflateEntry(
  entry: ZipEntry,
  packed: AdmZip.IZipEntry,
  shown: string,
  budget: UnpackBudget,
  write: (chunk: Buffer) => void,
): Promise<void> {
  if ((entry.flags & FLAG_ENCRYPTED) !== 0 || entry.method === AES)
    throw new InvalidArchiveError(`the entry ${shown} is encrypted`);
  if (entry.method !== STORED && entry.method !== DEFLATED)
    throw new InvalidArchiveError(
      `the entry ${shown} is packed with ${METHODS.get(entry.method) ?? 'an unknown method'} (${entry.method}): only deflate and store are taken`,
    );
  const seen = { bytes: 0, crc: 0 };
  const take = (chunk: Buffer): void => {
    seen.bytes += chunk.length;
    budget.add(chunk.length, shown);
    budget.checkRatio(seen.bytes, entry.packedBytes, `the entry ${shown}`);
    seen.crc = crc32(chunk, seen.crc);
    write(chunk);
  };
  if (entry.method === STORED) take(packed.getCompressedData());
  else if (entry.bytes <= MAX_SYNC_BYTES) take(inflateInMemory(entry, packed, shown));
  else await inflate(packed.getCompressedData(), take, shown);
  if (seen.bytes !== entry.bytes)
    throw new InvalidArchiveError(
      `the entry ${shown} has ${seen.bytes} bytes, not ${entry.bytes} as it says`,
    );
  if (seen.crc !== entry.crc) throw new InvalidArchiveError(`the entry ${shown} has a wrong checksum`);
}

function inflateInMemory({ bytes }: ZipEntry, packed: AdmZip.IZipEntry, shown: string): Buffer {
  try {
    return packed.getData();
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new InvalidArchiveError(`the entry ${shown} has more than the ${bytes} bytes it says`);
    throw new InvalidArchiveError(
      `the entry ${shown} ${/CRC/.test(message) ? 'has a wrong checksum' : 'is corrupt'}`,
    );
  }
}

async function inflate(packed: Buffer, take: (chunk: Buffer) => void, shown: string): Promise<void> {
  const stream = createInflateRaw({ chunkSize: MAX_SYNC_BYTES });
  stream.end(packed);
  try {
    for await (const chunk of stream) take(chunk as Buffer);
  } catch (error) {
    // All but what zlib complains about is a reason already.
    if (!isZlibError(error)) throw error;
    throw new InvalidArchiveError(`the entry ${shown} is corrupt`);
  }
}

function isZlibError(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code?.startsWith('Z_') === true;
}
