import { deflateRawSync } from 'node:zlib';
import { zipOf } from '../../conformance/support/zip.js';

const END_BYTES = 22;
const ALL_ONES_16 = 0xffff;
const ALL_ONES_32 = 0xffffffff;

/**
 * A zip whose directory names one and the same entry that often, with a zip64 end record (APPNOTE.TXT, 4.3.14).
 *
 * @param data the data of the entry
 */
export function listingOf(data: string | Buffer, count: number): Buffer {
  const one = zipOf([{ name: 'x', data, deflated: deflateRawSync(data, { level: 9 }) }]);
  const end = one.subarray(one.length - END_BYTES);
  const [length, at] = [end.readUInt32LE(12), end.readUInt32LE(16)];
  const listed = one.subarray(at, at + length);
  const directory = Buffer.concat(Array.from({ length: count }, () => listed));
  return Buffer.concat([one.subarray(0, at), directory, zip64End(count, directory.length, at)]);
}

/** The three records at the end of a zip64 archive. */
function zip64End(count: number, listingBytes: number, listingAt: number): Buffer {
  const record = Buffer.alloc(56);
  record.write('PK\x06\x06', 'latin1');
  record.writeBigUInt64LE(44n, 4);
  record.writeUInt16LE(45, 12);
  record.writeUInt16LE(45, 14);
  for (const [value, at] of [
    [count, 24],
    [count, 32],
    [listingBytes, 40],
    [listingAt, 48],
  ] as const)
    record.writeBigUInt64LE(BigInt(value), at);
  const locator = Buffer.alloc(20);
  locator.write('PK\x06\x07', 'latin1');
  locator.writeBigUInt64LE(BigInt(listingAt + listingBytes), 8);
  locator.writeUInt32LE(1, 16);
  const end = Buffer.alloc(END_BYTES);
  end.write('PK\x05\x06', 'latin1');
  for (const at of [8, 10]) end.writeUInt16LE(ALL_ONES_16, at);
  for (const at of [12, 16]) end.writeUInt32LE(ALL_ONES_32, at);
  return Buffer.concat([record, locator, end]);
}
