import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { actionLoopInit, ECHO, errorOf, startActionLoopServer } from '../support/actionloop-server.js';
import type { Answer, RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';

const MEGABYTE = 1024 * 1024;
const BLOCK = 512;

describe('C-AL-02: a tar.gz', () => {
  let server: RunServer;
  let folder: string;

  beforeEach(async () => {
    server = await startActionLoopServer({ engine: 'posix_spawn' });
    folder = join(server.folder, 'packed');
    mkdirSync(folder);
    writeFileSync(join(folder, 'exec'), ECHO);
    chmodSync(join(folder, 'exec'), 0o755);
  });
  afterEach(() => server.stop());

  function tar(...args: string[]): Buffer {
    return execFileSync('tar', ['-cz', '-C', folder, ...args], { maxBuffer: 64 * MEGABYTE });
  }

  function upload(packed: Buffer): Promise<Answer> {
    return server.post('/init', actionLoopInit(packed));
  }

  async function expectServes(): Promise<void> {
    expect((await server.run({ a: 1 })).body.toString()).toBe('{"value":{"a":1}}\n');
  }

  async function expectRefused(packed: Buffer, pattern: RegExp): Promise<void> {
    const answer = await upload(packed);
    expect([answer.status, errorOf(answer)]).toEqual([502, expect.stringMatching(pattern)]);
    expect(readdirSync(server.actionRoot)).toEqual([]);
    expect((await upload(Buffer.from(ECHO))).status).toBe(200);
    await expectServes();
  }

  it('may be of before POSIX, and of several members', async () => {
    const old = execFileSync('tar', ['-c', '--format=v7', '-C', folder, 'exec']);
    const packed = Buffer.concat([gzipSync(old.subarray(0, 700)), gzipSync(old.subarray(700))]);
    expect((await upload(packed)).status).toBe(200);
    await expectServes();
  });

  it('is told from what is packed in another way', async () => {
    for (const [bytes, what] of [
      [gzipSync(ECHO), 'what its gzip file holds is no tar archive'],
      [gzipSync('x'.repeat(2000)), 'what its gzip file holds is no tar archive'],
      [execFileSync('tar', ['-c', '-C', folder, 'exec']), 'it is a tar archive'],
      [Buffer.from('\xfd7zXZ\0', 'latin1'), 'it is an xz file'],
      [Buffer.from('BZh91AY', 'latin1'), 'it is a bzip2 file'],
      [Buffer.from('(\xb5/\xfd', 'latin1'), 'it is a zstd file'],
      [Buffer.from('7z\xbc\xaf', 'latin1'), 'it is a 7z archive'],
    ] as const) {
      expect(errorOf(await upload(bytes))).toContain(what);
    }
    expect(readdirSync(server.actionRoot)).toEqual([]);
  });

  it('may begin with an entry for the folder itself', async () => {
    expect((await upload(tar('.'))).status).toBe(200);
    await expectServes();
    const [other, file] = ['.', './.'].map((name) => tarOf([{ name, type: '0' }]));
    await expectRefusedNow(other as Buffer, /names the folder itself/);
    await expectRefusedNow(file as Buffer, /names the folder itself/);
  });

  async function expectRefusedNow(packed: Buffer, pattern: RegExp): Promise<void> {
    await server.stop();
    server = await startActionLoopServer({ engine: 'posix_spawn' });
    await expectRefused(packed, pattern);
  }

  it('C-INIT-10: keeps links wherever they lead, and hard links, to links too', async () => {
    writeFileSync(join(folder, 'a'), 'shared');
    linkSync(join(folder, 'a'), join(folder, 'b'));
    symlinkSync('/usr/bin/python3', join(folder, 'python'));
    linkSync(join(folder, 'python'), join(folder, 'python3'));
    expect((await upload(tar('exec', 'a', 'b', 'python', 'python3'))).status).toBe(200);
    await expectServes();
    const bin = join(server.actionRoot, '1/bin');
    expect(treeOf(bin)).toMatchObject({ python: '-> /usr/bin/python3', python3: '-> /usr/bin/python3' });
    expect([treeOf(bin).a, statSync(join(bin, 'a')).ino]).toEqual([
      treeOf(bin).b,
      statSync(join(bin, 'b')).ino,
    ]);
  });

  it('C-INIT-10: refuses a hard link to what is not in it, and what lies behind a link', async () => {
    await expectRefused(
      tarOf([{ name: 'passwd', type: '1', target: 'etc/passwd' }]),
      /a hard link to "etc\/passwd", which is no file that came before/,
    );
    const out = { name: 'out', type: '2', target: '/tmp' };
    await expectRefusedNow(tarOf([out, { name: 'out/evil', type: '0', data: 'x' }]), /lies below a link/);
    await expectRefusedNow(
      tarOf([out, { name: 'way/x', type: '1', target: 'out/evil' }]),
      /no file that came before/,
    );
  });

  it('a second file of one name leaves the hard link to the first alone', async () => {
    const zip = tarOf([
      { name: 'exec', type: '0', data: ECHO },
      { name: 'a', type: '0', data: 'one' },
      { name: 'b', type: '1', target: 'a' },
      { name: 'a', type: '0', data: 'second' },
    ]);
    expect((await upload(zip)).status).toBe(200);
    const tree = treeOf(join(server.actionRoot, '1/bin'));
    expect([tree.a, tree.b]).toEqual([expect.stringContaining(' 6 '), expect.stringContaining(' 3 ')]);
  });

  it.each(['gnu', 'pax'])(
    'C-INIT-13: refuses a sparse file, which it can not unpack (%s)',
    async (format) => {
      const descriptor = openSync(join(folder, 'sparse'), 'w');
      ftruncateSync(descriptor, 3 * MEGABYTE);
      writeSync(descriptor, 'data', 2 * MEGABYTE);
      closeSync(descriptor);
      await expectRefused(
        tar('-S', `--format=${format}`, 'exec', 'sparse'),
        /"sparse".*sparse file.*without tar's option -S/,
      );
    },
  );

  it('keeps names as bytes, whatever their encoding', async () => {
    const names = ['\xe9', '\xfc', 'd\xe9/x', 'd\xfc/x'].map((name) => Buffer.from(name, 'latin1'));
    const entries = names.map((name) => ({ name, type: '0', data: 'x' }));
    expect((await upload(tarOf([{ name: 'exec', type: '0', data: ECHO }, ...entries]))).status).toBe(200);
    const found = readdirSync(join(server.actionRoot, '1/bin'), { encoding: 'latin1' });
    expect(found.sort()).toEqual(['d\xe9', 'd\xfc', 'exec', '\xe9', '\xfc']);
    const again = await upload(Buffer.from(ECHO));
    expect(again.status).toBe(403);
  });

  it.each([
    [
      'a file beyond the ratio',
      () => tarOf([{ name: 'zeros', type: '0', data: Buffer.alloc(70 * MEGABYTE) }]),
    ],
    [
      'padding behind the last file',
      () => gzipSync(Buffer.concat([entry({ name: 'x', type: '0' }), Buffer.alloc(70 * MEGABYTE)])),
    ],
    [
      'many headers without a file',
      () =>
        gzipSync(
          Buffer.concat(
            Array(24).fill(entry({ name: 'h', type: 'g', data: Buffer.alloc(3 * MEGABYTE, ' ') })),
          ),
        ),
    ],
  ])('C-INIT-12: counts all that comes out of it: %s', async (_what, packed) => {
    await expectRefused(packed(), /inflates to more than 250 times its packed size/);
  });

  it('C-INIT-12: refuses a header that would fill the memory', async () => {
    await expectRefused(
      tarOf([{ name: 'p', type: 'x', data: Buffer.alloc(5 * MEGABYTE, '1') }]),
      /Header exceeds max size/,
    );
  });

  it.each(['-5', 'NaN', '99999999999'])('C-INIT-13: refuses a size of %s in a header', async (size) => {
    const record = (text: string): string => {
      const length = text.length + 3;
      return `${length} ${text}`;
    };
    const header = { name: 'pax', type: 'x', data: record(`size=${size}\n`) };
    await expectRefused(tarOf([header, { name: 'ok', type: '0', data: 'd' }]), /can't be read/);
  });
});

interface TarEntry {
  readonly name: string | Buffer;
  readonly type: string;
  readonly data?: string | Buffer;
  readonly target?: string;
}

function tarOf(entries: readonly TarEntry[]): Buffer {
  return gzipSync(Buffer.concat([...entries.map(entry), Buffer.alloc(2 * BLOCK)]));
}

/** A header and its data (POSIX.1-1988 ustar). */
function entry({ name, type, data = '', target = '' }: TarEntry): Buffer {
  const body = Buffer.from(data as string);
  const header = Buffer.alloc(BLOCK);
  Buffer.from(name as string).copy(header);
  header.write('0000755\0', 100);
  header.write(`${body.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write(`        ${type}${target}`, 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return Buffer.concat([header, body, Buffer.alloc((BLOCK - (body.length % BLOCK)) % BLOCK)]);
}
