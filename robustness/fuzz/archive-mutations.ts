import { gunzipSync, gzipSync } from 'node:zlib';
import { below, bytesOf, pick, type RandomSource } from '../support/random.js';
import type { Seed } from './corpus.js';
import { BLOCK_BYTES, headersOf, sealHeader, TAR_FIELDS, type TarField, writeField } from './tar-blocks.js';

const MAX_MUTATIONS = 4;
const CORNERS = [0, 1, 2, 0x7f, 0xff, 0x7fff, 0xfffe, 0xffff, 0x7fffffff, 0xfffffffe, 0xffffffff] as const;
const NAMES = [
  '',
  '.',
  '..',
  '/',
  '../hyperskeleton-fuzz-escaped',
  '/tmp/hyperskeleton-fuzz-escaped',
  'exec',
  'exec/x',
  'a\0b',
  'a\\b',
  './exec',
  'x/',
  '.hyperskeleton-x',
  '\xff\xfe',
] as const;
const NUMBERS = [
  '',
  '-1',
  '-0000000005',
  '77777777777',
  '00000000000',
  '00000000001',
  '9',
  'xyz',
  ' 12 ',
  '\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff',
  '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
  '\x80\0\0\0\0\0\0\0\0\0\0\x05',
] as const;
const TYPES = [
  '0',
  '\0',
  '1',
  '2',
  '3',
  '4',
  '5',
  '6',
  '7',
  'L',
  'K',
  'x',
  'g',
  'S',
  'D',
  'Z',
  '\xff',
] as const;

/** An archive with a few things wrong; now and then as it is in the corpus. */
export function mutatedArchive(random: RandomSource, seed: Seed): Buffer {
  if (random() < 0.08) return seed.bytes;
  return seed.kind === 'zip' ? mutatedZip(random, seed.bytes) : mutatedTarGz(random, seed.bytes);
}

function mutatedZip(random: RandomSource, original: Buffer): Buffer {
  let bytes: Buffer = Buffer.from(original);
  for (let count = 1 + below(random, MAX_MUTATIONS); count > 0; count--) {
    bytes = random() < 0.6 ? withRecordField(random, bytes) : rawMutation(random, bytes);
  }
  return bytes;
}

/** Records of a zip by signature, and where their fields are, with lengths (APPNOTE 4.3.7, 4.3.12, 4.3.16). */
const RECORDS: readonly { signature: string; fields: readonly (readonly [number, 2 | 4])[] }[] = [
  {
    signature: 'PK\x03\x04',
    fields: [
      [4, 2],
      [6, 2],
      [8, 2],
      [14, 4],
      [18, 4],
      [22, 4],
      [26, 2],
      [28, 2],
    ],
  },
  {
    signature: 'PK\x01\x02',
    fields: [
      [4, 2],
      [8, 2],
      [10, 2],
      [16, 4],
      [20, 4],
      [24, 4],
      [28, 2],
      [30, 2],
      [32, 2],
      [34, 2],
      [38, 4],
      [42, 4],
    ],
  },
  {
    signature: 'PK\x05\x06',
    fields: [
      [4, 2],
      [6, 2],
      [8, 2],
      [10, 2],
      [12, 4],
      [16, 4],
      [20, 2],
    ],
  },
];

function withRecordField(random: RandomSource, bytes: Buffer): Buffer {
  const { signature, fields } = pick(random, RECORDS);
  const places: number[] = [];
  for (
    let at = bytes.indexOf(signature, 0, 'latin1');
    at >= 0;
    at = bytes.indexOf(signature, at + 1, 'latin1')
  )
    places.push(at);
  if (places.length === 0) return bytes;
  const place = pick(random, places);
  if (signature === 'PK\x01\x02' && random() < 0.15) return withEntryTwice(random, bytes, place);
  if (signature !== 'PK\x05\x06' && random() < 0.2)
    return withName(random, bytes, place, signature === 'PK\x03\x04' ? 30 : 46);
  const [offset, length] = pick(random, fields);
  const at = place + offset;
  if (at + length > bytes.length) return bytes;
  const old = length === 2 ? bytes.readUInt16LE(at) : bytes.readUInt32LE(at);
  const value = pick(random, [pick(random, CORNERS), old + 1, old - 1, below(random, 2 ** 16)]);
  if (length === 2) bytes.writeUInt16LE(value & 0xffff, at);
  else bytes.writeUInt32LE(value >>> 0, at);
  return bytes;
}

function withName(random: RandomSource, bytes: Buffer, record: number, offset: number): Buffer {
  const name = Buffer.from(pick(random, NAMES), 'latin1');
  name.copy(bytes, record + offset, 0, Math.min(name.length, Math.max(0, bytes.length - record - offset)));
  return bytes;
}

/** A directory that lists one entry again: the data of both is the same bytes. */
function withEntryTwice(random: RandomSource, bytes: Buffer, record: number): Buffer {
  if (record + 46 > bytes.length) return bytes;
  const length = 46 + bytes.readUInt16LE(record + 28) + bytes.readUInt16LE(record + 30);
  const entry = bytes.subarray(record, record + length);
  const copies = Array.from({ length: pick(random, [1, 3, 1000]) }, () => entry);
  return Buffer.concat([bytes.subarray(0, record), ...copies, bytes.subarray(record)]);
}

/** Changes that know nothing of the format. */
function rawMutation(random: RandomSource, bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const at = below(random, bytes.length);
  const slice = bytes.subarray(at, at + 1 + below(random, 64));
  switch (below(random, 5)) {
    case 0:
      bytes[at] = (bytes[at] as number) ^ (1 << below(random, 8));
      return bytes;
    case 1:
      return bytes.subarray(0, at);
    case 2:
      return Buffer.concat([
        bytes.subarray(0, at),
        bytesOf(random, 1 + below(random, 16)),
        bytes.subarray(at),
      ]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + slice.length)]);
    default:
      return Buffer.concat([bytes, slice]);
  }
}

function mutatedTarGz(random: RandomSource, original: Buffer): Buffer {
  if (random() < 0.2) return rawMutation(random, Buffer.from(original));
  let tar: Buffer = gunzipSync(original);
  for (let count = 1 + below(random, MAX_MUTATIONS); count > 0; count--) tar = mutatedTar(random, tar);
  const gzip = gzipSync(tar);
  return random() < 0.1 ? Buffer.concat([gzip, gzipSync(tar.subarray(0, BLOCK_BYTES))]) : gzip;
}

/** Changes headers and their order. What a file holds stays: it may be executed. */
function mutatedTar(random: RandomSource, tar: Buffer): Buffer {
  const headers = headersOf(tar);
  if (headers.length === 0) return tar;
  const at = pick(random, headers);
  const block = tar.subarray(at, at + BLOCK_BYTES);
  switch (below(random, 8)) {
    case 0:
      return tar.subarray(0, below(random, tar.length));
    case 1:
      return Buffer.concat([tar.subarray(0, at), block, tar.subarray(at)]);
    case 2:
      return Buffer.concat([tar.subarray(0, at), tar.subarray(at + BLOCK_BYTES)]);
    case 3:
      return withPaxRecord(random, tar, at);
    default: {
      const field = pick(random, Object.keys(TAR_FIELDS) as TarField[]);
      const text = pick(random, field === 'type' ? TYPES : /name|Name|prefix/.test(field) ? NAMES : NUMBERS);
      writeField(block, field, Buffer.from(text, 'latin1'));
      if (field !== 'checksum' && random() < 0.95) sealHeader(block);
      return tar;
    }
  }
}

const PAX_KEYS = [
  'path',
  'linkpath',
  'size',
  'mtime',
  'mode',
  'GNU.sparse.size',
  'SCHILY.xattr.user.x',
  '',
] as const;

/** A pax header before the entry, with a record whose length may be a lie. */
function withPaxRecord(random: RandomSource, tar: Buffer, at: number): Buffer {
  const value = pick(random, [...NAMES, ...NUMBERS, '-5', '1e400', '18446744073709551616']);
  const rest = ` ${pick(random, PAX_KEYS)}=${value}\n`;
  const length = pick(random, [rest.length + 2, rest.length + 2, 0, 5, -3, 99_999_999]);
  const data = Buffer.from(`${length}${rest}`, 'latin1');
  const header = Buffer.alloc(BLOCK_BYTES);
  tar.copy(header, 0, at, at + BLOCK_BYTES);
  writeField(header, 'type', pick(random, ['x', 'x', 'g']));
  writeField(header, 'size', data.length.toString(8).padStart(11, '0'));
  sealHeader(header);
  const padded = Buffer.concat([
    data,
    Buffer.alloc((BLOCK_BYTES - (data.length % BLOCK_BYTES)) % BLOCK_BYTES),
  ]);
  return Buffer.concat([tar.subarray(0, at), header, padded, tar.subarray(at)]);
}
