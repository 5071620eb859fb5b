import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { decodeEntryName } from '../../src/action/archive/entry-name.js';
import type { ZipEntry } from '../../src/action/archive/zip-directory.js';
import { archiveBody, type Entry, FOLDER, script, zipOf } from '../support/archives.js';
import { type Answer, RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';

const EXEC = script('exec', 'echo \'{"from":"zip"}\'');
const FLAG_UTF8 = 0x800;

describe('archives as other programs make them', () => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({ engine: 'posix_spawn', env: { PROXY_ALLOW_REINIT: '1' } });
  });
  afterEach(() => server.stop());

  function unpack(zip: Buffer): Promise<Answer> {
    return server.post('/init', archiveBody(zip));
  }

  async function filesOf(entries: readonly Entry[]): Promise<string[]> {
    const answer = await unpack(zipOf([EXEC, ...entries]));
    expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
    expect((await server.run()).body.toString()).toBe('{"from":"zip"}');
    return Object.keys(treeOf(server.actionRoot)).filter((path) => path !== 'exec');
  }

  async function expectRefused(entries: readonly Entry[], pattern: RegExp): Promise<void> {
    const before = treeOf(server.actionRoot);
    const answer = await unpack(zipOf([EXEC, ...entries]));
    expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringMatching(pattern)]);
    expect(treeOf(server.actionRoot)).toEqual(before);
  }

  it('C-INIT-06: names without the UTF-8 flag are UTF-8 where they can be, else code page 437; none fall together', async () => {
    const names = ['\x81', '\x82', '\xb0\xa1/x', '\xb0\xa2/x'].map((name) => Buffer.from(name, 'latin1'));
    const entries = [...names.map((name) => ({ name, data: 'x' })), { name: 'größe', data: 'x' }];
    expect(new Set(await filesOf(entries))).toEqual(new Set(['größe', 'é', 'ü', '░í', '░í/x', '░ó', '░ó/x']));
  });

  it('C-INIT-11: two names in different encodings that become one, and one that is not what its flag says', async () => {
    await expectRefused(
      [
        { name: 'é', data: 'x', flags: FLAG_UTF8 },
        { name: Buffer.from([0x82]), data: 'y' },
      ],
      /two names of it, in different encodings, become \\"é\\"/,
    );
    await expectRefused([{ name: Buffer.from([0x82]), flags: FLAG_UTF8 }], /is not UTF-8 as it says/);
  });

  it('C-INIT-11: backslashes are slashes where Windows made the entry, and nothing leads outside by them', async () => {
    expect(await filesOf([{ name: 'lib\\deep\\a.sh', data: 'x', mode: 0 }])).toEqual([
      'lib',
      'lib/deep',
      'lib/deep/a.sh',
    ]);
    for (const name of ['..\\evil', 'a\\..\\..\\evil', '\\evil', 'C:\\evil']) {
      await expectRefused([{ name, data: 'x', mode: 0 }], /leads outside|absolute path/);
    }
  });

  it('C-INIT-06: an empty entry without a slash is a folder where others lie in it', async () => {
    expect(
      await filesOf([
        { name: 'lib', mode: 0 },
        { name: 'lib/a', data: 'x' },
        { name: 'later/b', data: 'x' },
        { name: 'later', mode: 0 },
      ]),
    ).toEqual(['later', 'later/b', 'lib', 'lib/a']);
    await expectRefused(
      [
        { name: 'full', data: 'x', mode: 0 },
        { name: 'full/a', data: 'x' },
      ],
      /lies below a file/,
    );
  });

  it.each([
    ['a byte order mark', '\xef\xbb\xbf'],
    ['a program', '#!/bin/sh\nexec unzip -p "$0"\n'],
  ])('C-INIT-06: %s in front of the archive', async (_what, before) => {
    const zip = Buffer.concat([Buffer.from(before, 'latin1'), zipOf([EXEC, { name: 'a', data: 'x' }])]);
    expect((await unpack(zip)).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('{"from":"zip"}');
  });

  it('C-INIT-06: a wrong number of entries in the end record drops none', async () => {
    for (const count of [0, 1, 0xffff]) {
      rmSync(join(server.actionRoot, 'a'), { force: true });
      const zip = zipOf([EXEC, { name: 'a', data: 'x' }]);
      zip.writeUInt16LE(count, zip.length - 14);
      zip.writeUInt16LE(count, zip.length - 12);
      expect((await unpack(zip)).status).toBe(200);
      expect(Object.keys(treeOf(server.actionRoot))).toEqual(['a', 'exec']);
    }
  });

  it('C-INIT-07, init_exec_misplaced: a folder around the action is told, and the default action does not answer for it', async () => {
    const entries = [
      { name: 'mine/', mode: FOLDER | 0o755 },
      { ...EXEC, name: 'mine/exec' },
      { name: '__MACOSX/exec' },
    ];
    const before = treeOf(server.actionRoot);
    const answer = await unpack(zipOf(entries));
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
      502,
      { error: expect.stringContaining('no exec at the top of its archive, but there is mine/exec') },
    ]);
    expect(treeOf(server.actionRoot)).toEqual(before);
    // Data for an action that is there are welcome, whatever they are named.
    await server.install('#!/bin/sh\necho "[1]"\n');
    expect((await unpack(zipOf(entries))).status).toBe(200);
  });

  it.each([
    [9, 'Deflate64'],
    [12, 'bzip2'],
    [14, 'LZMA'],
    [93, 'zstd'],
  ])('C-INIT-13: a method that is not taken is named (%i, %s)', async (method, name) => {
    const answer = await unpack(zipOf([{ ...EXEC, method }]));
    expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringContaining(`with ${name} (`)]);
  });

  it('C-INIT-07, init_exec_misplaced: an exec in capitals, with an extension or a blank is told', async () => {
    for (const name of ['Exec', 'exec.sh', 'exec ']) {
      const answer = await unpack(zipOf([{ ...EXEC, name }, { name: 'data' }]));
      const reason = expect.stringContaining(`but there is ${JSON.stringify(name)}: name it exec`);
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([502, { error: reason }]);
    }
  });

  it('C-INIT-06: an end record in a comment is none, and one for other programs is read over', async () => {
    const zip = zipOf([EXEC]);
    const [end, size, offset] = [
      zip.length - 22,
      zip.readUInt32LE(zip.length - 10),
      zip.readUInt32LE(zip.length - 6),
    ];
    const comment = Buffer.concat([zip, Buffer.from(`PK\x05\x06${'c'.repeat(26)}`, 'latin1')]);
    comment.writeUInt16LE(30, end + 20);
    const wide = Buffer.alloc(68);
    wide.write('PK\x06\x06', 'latin1');
    wide.writeBigUInt64LE(56n, 4);
    for (const at of [24, 32]) wide.writeBigUInt64LE(1n, at);
    wide.writeBigUInt64LE(BigInt(size), 40);
    wide.writeBigUInt64LE(BigInt(offset), 48);
    const locator = Buffer.alloc(20);
    locator.write('PK\x06\x07', 'latin1');
    locator.writeBigUInt64LE(BigInt(end), 8);
    for (const archive of [comment, Buffer.concat([zip.subarray(0, end), wide, locator, zip.subarray(end)])])
      expect((await unpack(archive)).status).toBe(200);
  });

  it('C-INIT-13: the last part of a split zip is told', async () => {
    const part = zipOf([EXEC]).subarray(20);
    part.writeUInt16LE(1, part.length - 18);
    expect((await unpack(part)).body.toString()).toContain('the last part of a split zip');
  });

  it('C-INIT-13: what is no zip is called by its name', async () => {
    for (const [bytes, what] of [
      ['\x1f\x8b\x08', 'is a gzip file'],
      ['\x1f\x9d\x90', 'is a file of compress(1)'],
      ['\x04"M\x18', 'is an LZ4 file'],
      [`${'x'.repeat(257)}ustar`, 'is a tar archive'],
      ['PK\x07\x08PK\x03\x04', 'is a part of a split zip'],
      ['UEsDBBQAAAAI', 'encoded twice'],
      ['PK\x03\x04 and no more', 'was cut off'],
    ] as const) {
      const answer = await unpack(Buffer.from(bytes, 'latin1'));
      expect([answer.status, answer.body.toString()]).toEqual([502, expect.stringContaining(what)]);
    }
  });

  it('C-INIT-23: an action folder that an action has removed is made again', async () => {
    rmSync(server.actionRoot, { recursive: true });
    expect((await server.run()).status).toBe(502);
    expect(server.takeRunLogs().stdout).toContain(
      `error: the action folder ${server.actionRoot} does not exist`,
    );
    expect((await unpack(zipOf([EXEC]))).status).toBe(200);
    expect((await server.run()).body.toString()).toBe('{"from":"zip"}');
  });
});

describe('the Unicode path of Info-ZIP', () => {
  it('goes before the name where it belongs to it', () => {
    const name = Buffer.from('\x81', 'latin1');
    const field = (crc: number): Buffer => {
      const text = Buffer.from('ü');
      const head = Buffer.alloc(9);
      head.writeUInt16LE(0x7075, 0);
      head.writeUInt16LE(5 + text.length, 2);
      head[4] = 1;
      head.writeUInt32LE(crc, 5);
      return Buffer.concat([head, text]);
    };
    const entry = { name: Buffer.from('\x9c', 'latin1'), flags: 0, madeOn: 3 };
    expect(decodeEntryName({ ...entry, name, extra: field(crc32(name)) } as ZipEntry)).toEqual({
      text: 'ü',
      encoding: 'extra',
    });
    expect(decodeEntryName({ ...entry, extra: field(crc32(name)) } as ZipEntry)).toEqual({
      text: '£',
      encoding: 'cp437',
    });
  });
});
