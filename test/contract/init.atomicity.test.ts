import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { archiveBody, type Entry, LINK, script, textBody, zipOf } from '../support/archives.js';
import { type Answer, RunServer, type ServerOptions } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';

let server: RunServer | undefined;

async function start(options: Omit<ServerOptions, 'engine'> = {}): Promise<RunServer> {
  server = await RunServer.start({ engine: 'posix_spawn', ...options });
  return server;
}

afterEach(async () => {
  await server?.stop();
  server = undefined;
});

const EXEC = script('exec', 'echo \'{"from":"init"}\'');
const MEGABYTE = 1_000_000;

describe('an init leads nowhere but into the action folder', () => {
  it('C-INIT-10: text takes the place of an exec that is a link, and leaves its target alone', async () => {
    const running = await start();
    const outside = join(running.folder, 'outside');
    writeFileSync(outside, '#!/bin/sh\necho "{}"\n', { mode: 0o755 });
    rmSync(running.exec);
    symlinkSync(outside, running.exec);
    expect((await running.post('/init', textBody('#!/bin/sh\necho \'{"new":1}\'\n'))).status).toBe(200);
    expect((await running.run()).body.toString()).toBe('{"new":1}');
    expect(readFileSync(outside, 'utf8')).toBe('#!/bin/sh\necho "{}"\n');
  });

  it('C-INIT-09: an archive changes no mode outside, though exec is a link to there', async () => {
    const running = await start();
    const outside = join(running.folder, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'data'), 'x', { mode: 0o600 });
    symlinkSync(outside, join(running.actionRoot, 'way'));
    const entries = [{ name: 'exec', data: 'way/data', mode: LINK | 0o777 }];
    const answer = await running.post('/init', archiveBody(zipOf(entries)));
    expect(answer.status).toBe(502);
    expect(treeOf(outside)).toEqual({ data: expect.stringMatching(/^file 600 /) });
  });

  it.each<[string, Entry[]]>([
    [
      'one link to a folder outside, then a file below it',
      [
        { name: 'a', data: '..', mode: LINK | 0o777 },
        { name: 'a/evil', data: 'x' },
      ],
    ],
    [
      'a hard way: a link to a link to the outside, then a file below it',
      [
        { name: 'a', data: '..', mode: LINK | 0o777 },
        { name: 'b', data: 'a', mode: LINK | 0o777 },
        { name: 'b/evil', data: 'x' },
      ],
    ],
    ['a link with NUL', [{ name: 'a', data: 'x\0/../../..', mode: LINK | 0o777 }]],
    ['a dot-dot behind a dot', [{ name: './../evil', data: 'x' }]],
    ['a dot-dot at the end', [{ name: 'a/..', data: 'x' }]],
    ['a folder entry of dot-dot', [{ name: '../', mode: 0o040777 }]],
    ['two slashes in front', [{ name: '//evil', data: 'x' }]],
    ['a Windows path', [{ name: 'C:\\evil', data: 'x' }]],
    ['a block device', [{ name: 'disk', mode: 0o060600 }]],
    ['a socket', [{ name: 'socket', mode: 0o140600 }]],
    [
      'a link and a file of one path',
      [
        { name: 'a', data: 'exec', mode: LINK | 0o777 },
        { name: 'a', data: 'x' },
      ],
    ],
    [
      'a file and a link of one path',
      [
        { name: 'a', data: 'x' },
        { name: './a', data: 'exec', mode: LINK | 0o777 },
      ],
    ],
    [
      'a folder that the paths before imply, as a file',
      [
        { name: 'd/x', data: 'x' },
        { name: 'd', data: 'y' },
      ],
    ],
  ])('C-INIT-10, C-INIT-11: %s: the whole archive is refused, nothing is written', async (_what, entries) => {
    const running = await start();
    const before = treeOf(running.folder);
    const answer = await running.post('/init', archiveBody(zipOf([EXEC, ...entries])));
    expect(answer.status, answer.body.toString()).toBe(502);
    expect((JSON.parse(answer.body.toString()) as { error: string }).error).toMatch(/archive/);
    expect(withoutLogs(treeOf(running.folder))).toEqual(withoutLogs(before));
    expect(running.takeRunLogs().stderr).toBe('');
  });
});

describe('an init that can not be written', () => {
  it('C-INIT-23, init_io_failed: no room for the files: all stays as it was, and the next one is taken', async () => {
    // 512-byte blocks: nothing larger than 2 MB can be written. SIGXFSZ ignored, write(2) says EFBIG.
    const running = await start({ launcher: 'trap "" XFSZ; ulimit -f 4096; exec "$@"' });
    await running.install('#!/bin/sh\necho \'{"from":"image"}\'\n');
    const before = treeOf(running.actionRoot);
    const entries = [
      EXEC,
      { name: 'a', data: 'x' },
      { name: 'big', data: Buffer.alloc(5 * MEGABYTE, 'abc'), stored: true },
    ];
    const answer = await running.post('/init', archiveBody(zipOf(entries)));
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([500, 'init_io_failed']);
    expect(running.takeRunLogs().stdout).toMatch(/^error: /);
    expect(treeOf(running.actionRoot)).toEqual(before);
    expect((await running.run()).body.toString()).toBe('{"from":"image"}');
    expect((await running.post('/init', archiveBody(zipOf([EXEC])))).status).toBe(200);
    expect((await running.run()).body.toString()).toBe('{"from":"init"}');
  });

  it('C-INIT-23: no room for a text: the same', async () => {
    const running = await start({ launcher: 'trap "" XFSZ; ulimit -f 4096; exec "$@"' });
    const before = treeOf(running.actionRoot);
    const answer = await running.post('/init', textBody(`#!/bin/sh\n# ${'x'.repeat(5 * MEGABYTE)}\n`));
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([500, 'init_io_failed']);
    expect(treeOf(running.actionRoot)).toEqual(before);
  });

  it.runIf(process.getuid?.() === 0)(
    'C-INIT-23: a folder that may not be written to is a fault of the runtime, and the image’s action serves on',
    async () => {
      // As an image has it: the action is root's, the server is not. $6 is the action root.
      const image = `printf '#!/bin/sh\\necho "[1]"\\n' >"$6/exec"; chmod 755 "$6/exec" "$6/.."`;
      const nobody = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups "$@"';
      const running = await start({ launcher: `${image}; ${nobody}` });
      for (const body of [textBody('#!/bin/sh\necho "{}"\n'), archiveBody(zipOf([EXEC]))]) {
        const answer = await running.post('/init', body);
        expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([500, 'init_io_failed']);
      }
      running.takeLogs();
      // C-INIT-02: an init without code writes nothing, and needs no right to.
      expect((await running.post('/init', '{}')).status).toBe(200);
      expect((await running.run()).body.toString()).toBe('[1]');
    },
  );
});

describe('an archive that is at fault itself', () => {
  it.each<[string, Entry[]]>([
    ['exec is a link to itself', [{ name: 'exec', data: 'exec', mode: LINK | 0o777 }]],
    ['a name is too long', [EXEC, { name: 'n'.repeat(256), data: 'x' }]],
    ['a path is too long', [EXEC, { name: `${'dddddddd/'.repeat(500)}x`, data: 'x' }]],
  ])('C-INIT-13, C-INIT-28: %s: a 502, not a fault of the runtime', async (_what, entries) => {
    const running = await start();
    const before = treeOf(running.actionRoot);
    const answer = await running.post('/init', archiveBody(zipOf(entries)));
    expect([answer.status, answer.headers['x-hyperskeleton-error']]).toEqual([502, undefined]);
    expect(answer.body.toString()).not.toContain(running.actionRoot);
    expect(treeOf(running.actionRoot)).toEqual(before);
    running.takeRunLogs();
  });

  it('C-INIT-13: no prefix of an archive is taken for the whole', async () => {
    const running = await start();
    const zip = zipOf([EXEC, { name: 'data', data: 'x'.repeat(300) }]);
    const before = treeOf(running.actionRoot);
    const answers: Answer[] = [];
    for (let length = 1; length < zip.length; length += 7) {
      answers.push(await running.post('/init', archiveBody(zip.subarray(0, length))));
    }
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 502));
    expect(treeOf(running.actionRoot)).toEqual(before);
    expect((await running.post('/init', archiveBody(zip))).status).toBe(200);
  });

  it('C-INIT-13: no single damaged byte is taken for data', async () => {
    const running = await start({ env: { PROXY_ALLOW_REINIT: '1' } });
    const data = Array.from({ length: 60 }, (_, at) => `${at * 7919}`).join();
    const zip = zipOf([
      { name: 'exec', data: '#!/bin/sh\ncat data\n', mode: 0o100755 },
      { name: 'data', data: `["${data}"]` },
    ]);
    const from = zip.indexOf('data', zip.indexOf('PK\x03\x04', 10, 'latin1')) + 4;
    const to = zip.indexOf('PK\x01\x02', 0, 'latin1');
    for (let at = from; at < to; at += 5) {
      const damaged = Buffer.from(zip);
      damaged[at] = (damaged[at] as number) ^ 0x10;
      const answer = await running.post('/init', archiveBody(damaged));
      expect([at, answer.status]).toEqual([at, 502]);
    }
    expect(readdirSync(running.actionRoot)).toEqual(['exec']);
  });
});

/** The tree without the harness's own log files, which grow. */
function withoutLogs(tree: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(tree).filter(([path]) => path !== 'stdout' && path !== 'stderr'));
}
