import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { archiveBody, type Entry, FILE, FOLDER, LINK, script, zipOf } from '../support/archives.js';
import { type Answer, RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';

const EXEC = script('exec', 'echo \'{"from":"zip"}\'');
const CHARACTER_DEVICE = 0o020000;
const FIFO = 0o010000;

describe('archives', () => {
  let server: RunServer;

  beforeEach(async () => {
    server = await RunServer.start({
      engine: 'posix_spawn',
      env: { HYPERSKELETON_MAX_ENTRIES: '50', HYPERSKELETON_MAX_UNZIPPED_BYTES: '40000000' },
    });
  });
  afterEach(() => server.stop());

  function unpack(zip: Buffer): Promise<Answer> {
    return server.post('/init', archiveBody(zip));
  }

  async function expectServes(result: unknown): Promise<void> {
    const answer = await server.run();
    expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([200, result]);
  }

  async function expectRefused(zip: Buffer, pattern: RegExp, status = 502): Promise<void> {
    const before = treeOf(server.folder, 'action');
    const outside = readdirSync(server.folder);
    const answer = await unpack(zip);
    expect(answer.status, answer.body.toString()).toBe(status);
    expect((JSON.parse(answer.body.toString()) as { error: string }).error).toMatch(pattern);
    expect(server.takeRunLogs().stdout).toMatch(/^error: /);
    expect(treeOf(server.folder, 'action')).toEqual(before);
    expect(readdirSync(server.folder)).toEqual(outside);
    // C-INIT-21: it did not count.
    expect((await unpack(zipOf([EXEC]))).status).toBe(200);
    await expectServes({ from: 'zip' });
  }

  it('C-INIT-06: nested folders, stored and deflated entries; files that it does not name stay', async () => {
    mkdirSync(join(server.actionRoot, 'data'));
    writeFileSync(join(server.actionRoot, 'data/kept'), 'kept');
    writeFileSync(join(server.actionRoot, 'data/replaced'), 'old');
    const zip = zipOf([
      { name: 'with/', mode: FOLDER | 0o750 },
      { name: 'with/entry', data: 'a', stored: true },
      { name: 'without/any/entry', data: 'b'.repeat(1_000_000) },
      { name: 'data/replaced', data: 'new' },
      { name: 'empty' },
      script('exec', 'cat with/entry data/kept data/replaced >&2; wc -c <without/any/entry >&2; echo "{}"'),
    ]);
    expect((await unpack(zip)).status).toBe(200);
    await expectServes({});
    expect(server.takeRunLogs().stderr).toBe('akeptnew1000000\n');
    expect(treeOf(server.actionRoot)).toMatchObject({
      with: 'folder 750',
      empty: expect.stringContaining('file 644 0'),
    });
  });

  it('C-INIT-07: a zip without exec brings data to an action that is there', async () => {
    await server.install('#!/bin/sh\ncat data/x\n');
    expect((await unpack(zipOf([{ name: 'data/x', data: '{"data":1}' }]))).status).toBe(200);
    await expectServes({ data: 1 });
  });

  it('C-INIT-07: and is a 502 where there is none, with nothing written', async () => {
    rmSync(server.exec);
    const answer = await unpack(zipOf([{ name: 'data/x', data: 'x' }]));
    expect(answer.status).toBe(502);
    expect(treeOf(server.actionRoot)).toEqual({});
  });

  it.each([
    ['mode 644', FILE | 0o644],
    ['no unix attributes', 0],
    ['mode 600', FILE | 0o600],
  ])('C-INIT-08, C-INIT-09: exec with %s works', async (_what, mode) => {
    rmSync(server.exec);
    expect((await unpack(zipOf([{ ...EXEC, mode }]))).status).toBe(200);
    await expectServes({ from: 'zip' });
  });

  it('C-INIT-09: permission bits of every entry are kept, without them 644 and 755', async () => {
    const zip = zipOf([
      EXEC,
      script('bin/tool', 'echo "{}"', FILE | 0o751),
      { name: 'secret', data: 'x', mode: FILE | 0o4600 },
      { name: 'plain', data: 'x', mode: 0 },
      { name: 'closed/', mode: FOLDER | 0o700 },
      { name: 'open/', mode: 0 },
    ]);
    expect((await unpack(zip)).status).toBe(200);
    const tree = treeOf(server.actionRoot);
    const modes = Object.fromEntries(
      Object.entries(tree).map(([path, facts]) => [path, facts.split(' ')[1]]),
    );
    expect(modes).toMatchObject({
      'bin/tool': '751',
      secret: '600',
      plain: '644',
      closed: '700',
      open: '755',
      exec: '755',
    });
  });

  it('C-INIT-10: symbolic links are links, also exec', async () => {
    rmSync(server.exec);
    const zip = zipOf([
      { name: 'exec', data: 'bin/real', mode: LINK | 0o777 },
      script('bin/real', 'cat "$(dirname "$0")/shared/here"', FILE | 0o644),
      { name: 'lib/shared/up', data: '../../data', mode: LINK | 0o777 },
      { name: 'data', data: '{"linked":1}' },
      { name: 'shared/here', data: '../lib/shared/up', mode: LINK | 0o777 },
    ]);
    expect((await unpack(zip)).status).toBe(200);
    await expectServes({ linked: 1 });
    expect(treeOf(server.actionRoot).exec).toBe('-> bin/real');
  });

  it.each<[string, Entry[]]>([
    ['../evil', [{ name: '../evil', data: 'x' }]],
    ['a/../../evil', [{ name: 'a/../../evil', data: 'x' }]],
    ['an absolute path', [{ name: '/tmp/evil', data: 'x' }]],
    ['..', [{ name: '..', data: 'x' }]],
    ['an empty name', [{ name: '', data: 'x' }]],
    ['NUL', [{ name: 'a\0b', data: 'x' }]],
    ['a backslash', [{ name: 'a\\..\\b', data: 'x' }]],
    ['a character device', [{ name: 'null', mode: CHARACTER_DEVICE | 0o666 }]],
    ['a FIFO', [{ name: 'pipe', mode: FIFO | 0o666 }]],
    [
      'a file and a folder of one path',
      [
        { name: 'a', data: 'x' },
        { name: 'a/', mode: FOLDER | 0o755 },
      ],
    ],
    [
      'an entry below a file',
      [
        { name: 'a', data: 'x' },
        { name: 'a/b', data: 'x' },
      ],
    ],
    [
      'an entry below a link',
      [
        { name: 'a', data: '.', mode: LINK | 0o777 },
        { name: 'a/b', data: 'x' },
      ],
    ],
  ])('C-INIT-10, C-INIT-11: %s refuses the whole archive (init_unsafe_archive)', async (_what, entries) => {
    await expectRefused(
      zipOf([{ name: 'first', data: 'x' }, EXEC, ...entries]),
      /^The action's archive (is refused|can't be read): /,
    );
  });

  it.each([
    ['an absolute path', '/etc/passwd'],
    ['the outside', '../../x'],
    ['a path with dots inside', 'lib/../../node_modules/x'],
    ['nothing', 'not-there'],
  ])('C-INIT-10: a link to %s is written as it is, and nothing behind it', async (_what, data) => {
    const entries = [EXEC, { name: 'd/link', data, mode: LINK | 0o777 }];
    const outside = readdirSync(server.folder);
    expect((await unpack(zipOf(entries))).status).toBe(200);
    expect(treeOf(server.actionRoot)['d/link']).toBe(`-> ${data}`);
    expect(readdirSync(server.folder)).toEqual(outside);
    await expectServes({ from: 'zip' });
  });

  it('C-INIT-09, C-INIT-10: exec may be a link to a program outside, whose mode is its own', async () => {
    const outside = join(server.folder, 'outside');
    writeFileSync(outside, '#!/bin/sh\necho \'{"out":1}\'\n', { mode: 0o744 });
    expect((await unpack(zipOf([{ name: 'exec', data: outside, mode: LINK | 0o777 }]))).status).toBe(200);
    expect(treeOf(server.folder).outside).toContain('file 744 ');
    await expectServes({ out: 1 });
  });

  it('C-INIT-10: nothing is written through a link that lay in the folder before', async () => {
    const outside = join(server.folder, 'outside');
    mkdirSync(outside);
    symlinkSync(outside, join(server.actionRoot, 'way'));
    await expectRefused(zipOf([EXEC, { name: 'way/evil', data: 'x' }]), /through a symbolic link/);
    expect(readdirSync(outside)).toEqual([]);
  });

  it('C-INIT-10: a file takes the place of a link, and leaves what it led to alone', async () => {
    const outside = join(server.folder, 'outside');
    writeFileSync(outside, 'outside');
    symlinkSync(outside, join(server.actionRoot, 'file'));
    expect((await unpack(zipOf([EXEC, { name: 'file', data: 'inside' }]))).status).toBe(200);
    expect(treeOf(server.folder)).toMatchObject({
      outside: expect.stringContaining(' 7 '),
      'action/file': expect.stringContaining(' 6 '),
    });
  });

  it.each<[string, Entry[]]>([
    [
      'a total over the limit',
      [0, 1, 2].map((at) => ({ name: `part${at}`, data: noise(15_000_000), stored: true })),
    ],
    ['more entries than allowed', Array.from({ length: 60 }, (_, at) => ({ name: `e${at}` }))],
  ])('C-INIT-12: %s is refused (init_archive_too_large)', async (_what, entries) => {
    await expectRefused(zipOf([EXEC, ...entries]), /^The action's archive is too large: /);
  });

  it('C-INIT-12: less than 64 MiB are no bomb, whatever the ratio', async () => {
    const line = '2024-01-01T00:00:00Z,sensor-1,OK,0.0,0.0\n';
    const entries = [
      EXEC,
      { name: 'zeros', data: Buffer.alloc(17_000_000) },
      { name: 'table', data: Buffer.alloc(20_000_000, line) },
    ];
    expect((await unpack(zipOf(entries))).status).toBe(200);
    await expectServes({ from: 'zip' });
  });

  it('C-INIT-12: folders that paths imply count as entries', async () => {
    const deep = { name: `${'d/'.repeat(60)}x`, data: 'x' };
    await expectRefused(zipOf([EXEC, deep]), /more than 50 files and folders \(HYPERSKELETON_MAX_ENTRIES/);
  });

  it('C-INIT-12: entries that share their data are refused, however little they are', async () => {
    const zip = zipOf([EXEC, { name: 'a', data: 'x'.repeat(1000) }, { name: 'b', data: 'x'.repeat(1000) }]);
    const second = zip.lastIndexOf('PK\x01\x02', undefined, 'latin1');
    const first = zip.lastIndexOf('PK\x01\x02', second - 1, 'latin1');
    zip.copy(zip, second + 42, first + 42, first + 46);
    await expectRefused(zip, /entries of it overlap/);
  });

  it('C-INIT-12: what counts is what inflates, not what the header claims', async () => {
    const lying = { name: 'liar', data: Buffer.alloc(30_000_000), claimedBytes: 10 };
    await expectRefused(zipOf([EXEC, lying]), /liar/);
  });

  it.each<[string, Buffer]>([
    ['no zip', Buffer.from('this is no zip at all, however long it is')],
    ['a truncated one', zipOf([EXEC, { name: 'data', data: noise(10_000) }]).subarray(0, -60)],
    ['one cut at the front', zipOf([{ name: 'data', data: noise(10_000) }, EXEC]).subarray(2000)],
    ['a wrong checksum', zipOf([EXEC, { name: 'data', data: 'x', claimedCrc: 1 }])],
    ['a wrong size', zipOf([EXEC, { name: 'data', data: 'abc', stored: true, claimedBytes: 2 }])],
    ['an unknown method', zipOf([EXEC, { name: 'data', data: 'abc', method: 99 }])],
    ['an encrypted entry', zipOf([EXEC, { name: 'data', data: 'abc', flags: 1 }])],
    ['damaged data', damaged()],
  ])('C-INIT-13: %s is refused (init_bad_archive), what was there stays', async (_what, zip) => {
    await expectRefused(zip, /^The action's archive can't be read: /);
  });

  it('C-INIT-12: a 40 MB archive of incompressible data is taken by default', async () => {
    await server.stop();
    server = await RunServer.start({ engine: 'posix_spawn' });
    const entries = [EXEC, { name: 'big', data: noise(40_000_000) }];
    expect((await unpack(zipOf(entries))).status).toBe(200);
    await expectServes({ from: 'zip' });
    expect(treeOf(server.actionRoot).big).toContain(' 40000000 ');
  });

  it('C-INIT-12: an entry of 200 MB that deflates 1000:1 is refused by default', async () => {
    await server.stop();
    server = await RunServer.start({ engine: 'posix_spawn' });
    await expectRefused(zipOf([EXEC, { name: 'bomb', data: Buffer.alloc(200_000_000) }]), /too large/);
  });
});

/** Bytes that deflate can do nothing with, the same at each call. */
function noise(bytes: number): Buffer {
  const buffer = Buffer.alloc(bytes);
  let state = 2463534242;
  for (let at = 0; at + 4 <= bytes; at += 4) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    buffer.writeInt32LE(state, at);
  }
  return buffer;
}

function damaged(): Buffer {
  const zip = zipOf([EXEC, { name: 'data', data: 'x'.repeat(100_000) }]);
  const at = zip.indexOf('data') + 4;
  return Buffer.concat([zip.subarray(0, at), Buffer.from([0xff, 0xff, 0xff]), zip.subarray(at + 3)]);
}
