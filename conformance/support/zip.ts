import { crc32, deflateRawSync } from 'node:zlib';

/** One entry, honest unless a field says otherwise. */
export interface Entry {
  readonly name: string | Buffer;
  readonly data?: string | Buffer;
  /** The unix mode with its type; 0 as a zip made on Windows has it. */
  readonly mode?: number;
  readonly stored?: boolean;
  /** The data deflated already, for what takes long. */
  readonly deflated?: Buffer;
  /** What the headers claim instead of the truth. */
  readonly claimedBytes?: number;
  readonly claimedCrc?: number;
  readonly method?: number;
  readonly flags?: number;
}

export const FILE = 0o100000;
export const FOLDER = 0o040000;
export const LINK = 0o120000;
const DEFLATED = 8;
const MADE_BY_UNIX = 0x031e;

/** Writes a zip to the letter, also one that no other program would write. */
export function zipOf(entries: readonly Entry[]): Buffer {
  const bodies: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name as string);
    const data = Buffer.from((entry.data ?? '') as string);
    const packed = entry.stored ? data : (entry.deflated ?? deflateRawSync(data));
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(entry.flags ?? 0, 2);
    common.writeUInt16LE(entry.method ?? (entry.stored ? 0 : DEFLATED), 4);
    common.writeUInt32LE(entry.claimedCrc ?? crc32(data), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(entry.claimedBytes ?? data.length, 18);
    common.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04', 'latin1'), common, name, packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(((entry.mode ?? FILE | 0o644) << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    const madeBy = Buffer.alloc(2);
    madeBy.writeUInt16LE(entry.mode === 0 ? 20 : MADE_BY_UNIX, 0);
    directory.push(Buffer.concat([Buffer.from('PK\x01\x02', 'latin1'), madeBy, common, tail, name]));
    bodies.push(local);
    offset += local.length;
  }
  const listing = Buffer.concat(directory);
  const end = Buffer.alloc(18);
  // Programs without zip64 let the count wrap.
  for (const at of [4, 6]) end.writeUInt16LE(entries.length & 0xffff, at);
  end.writeUInt32LE(listing.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...bodies, listing, Buffer.from('PK\x05\x06', 'latin1'), end]);
}
