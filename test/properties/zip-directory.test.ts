import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEntryName } from '../../src/action/archive/entry-name.js';
import { InvalidArchiveError } from '../../src/action/archive/errors.js';
import { readZipDirectory, type ZipEntry, zipEntries } from '../../src/action/archive/zip-directory.js';
import { type Entry, zipOf } from '../support/archives.js';

const ANY = 1_000_000;
const names = fc.uint8Array({ minLength: 1, maxLength: 20 }).map((bytes) => Buffer.from(bytes));
const entries: fc.Arbitrary<Entry[]> = fc.array(
  fc.record({
    name: names,
    data: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
    stored: fc.boolean(),
    mode: fc.integer({ min: 0, max: 0xffff }),
  }),
  { maxLength: 20 },
);

function listed(zip: Buffer): ZipEntry[] {
  const directory = readZipDirectory(zip, ANY);
  return directory === undefined ? [] : [...zipEntries(directory)];
}

/** The place of the end record. */
function endOf(zip: Buffer): number {
  return zip.lastIndexOf('PK\x05\x06', undefined, 'latin1');
}

describe('the directory of a zip', () => {
  it('lists what the archive was made of, whatever bytes stand before and behind it', () => {
    fc.assert(
      fc.property(
        entries,
        fc.uint8Array({ maxLength: 50 }),
        fc.string({ maxLength: 20 }),
        (given, before, comment) => {
          const behind = Buffer.from(comment.replaceAll('PK', ''));
          const zip = Buffer.concat([before, zipOf(given), behind]);
          const found = listed(zip);
          expect(found.map(({ name }) => name.toString('hex'))).toEqual(
            given.map(({ name }) => (name as Buffer).toString('hex')),
          );
          expect(found.map(({ bytes }) => bytes)).toEqual(given.map(({ data }) => data?.length));
          expect(found.map(({ unixMode }) => unixMode)).toEqual(given.map(({ mode }) => mode));
        },
      ),
    );
  });

  it('lists all of it, whatever number of entries the end record claims', () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 0, max: 0xffff }), (given, claimed) => {
        const zip = zipOf(given);
        zip.writeUInt16LE(claimed, endOf(zip) + 8);
        zip.writeUInt16LE(claimed, endOf(zip) + 10);
        expect(listed(zip)).toHaveLength(given.length);
      }),
    );
  });

  it('reads a zip64 end record, and refuses one that contradicts the other', () => {
    fc.assert(
      fc.property(entries, fc.integer({ min: 0, max: 5 }), (given, lie) => {
        const plain = zipOf(given);
        const end = endOf(plain);
        const [size, offset] = [plain.readUInt32LE(end + 12), plain.readUInt32LE(end + 16)];
        const wide = Buffer.alloc(56 + 20);
        wide.write('PK\x06\x06', 'latin1');
        wide.writeBigUInt64LE(44n, 4);
        wide.writeBigUInt64LE(BigInt(size), 40);
        wide.writeBigUInt64LE(BigInt(offset + lie), 48);
        wide.write('PK\x06\x07', 56, 'latin1');
        const zip = Buffer.concat([plain.subarray(0, end), wide, plain.subarray(end)]);
        if (lie === 0) expect(listed(zip)).toHaveLength(given.length);
        else expect(() => listed(zip)).toThrow(InvalidArchiveError);
        // Where the narrow record has no number, the wide one counts.
        zip.writeUInt32LE(0xffffffff, end + 76 + 16);
        if (lie === 0) expect(listed(zip)).toHaveLength(given.length);
      }),
    );
  });

  it('no damage makes it throw anything else, or list entries that share bytes', () => {
    fc.assert(
      fc.property(entries, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 8 }), (given, damages) => {
        const zip = zipOf(given);
        for (const [at, value] of damages) zip[at % zip.length] = value;
        let found: ZipEntry[];
        try {
          found = listed(zip);
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidArchiveError);
          return;
        }
        const total = found.reduce((sum, { packedBytes }) => sum + packedBytes, 0);
        expect(total).toBeLessThanOrEqual(zip.length);
      }),
    );
  });

  it('no two names become one', () => {
    const entry = (name: Buffer, flags: number): ZipEntry =>
      ({ name, flags, extra: Buffer.alloc(0), madeOn: 3 }) as ZipEntry;
    fc.assert(
      fc.property(names, names, (a, b) => {
        fc.pre(!a.equals(b));
        const [one, other] = [decodeEntryName(entry(a, 0)), decodeEntryName(entry(b, 0))];
        expect([one.text, one.encoding]).not.toEqual([other.text, other.encoding]);
      }),
    );
  });
});
