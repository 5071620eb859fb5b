import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { deflateRaw } from 'node:zlib';
import { type ConformanceCase, type Context, casesOf } from '../case.js';
import { equal, matches } from '../check.js';
import { type Entry, FILE, FOLDER, LINK, zipOf } from '../support/zip.js';
import type { Answer } from '../target/server.js';
import { errorText, resultOf, treeOf } from '../verdicts.js';
import { image } from './init.js';

const { fresh } = casesOf('classic');

const IMAGE = '#!/bin/sh\necho \'{"image":true}\'\n';
const DEVICE = 0o060000;
const BOMB_BYTES = 200_000_000;
const LARGE_BYTES = 40_000_000;

/** The archive's action, which tells that it ran. */
function exec(text = 'echo \'{"zip":true}\'', mode = FILE | 0o755): Entry {
  return { name: 'exec', data: `#!/bin/sh\n${text}\n`, mode };
}

/** `value` of an init with an archive. */
export function archive(zip: Buffer): { binary: true; code: string } {
  return { binary: true, code: zip.toString('base64') };
}

/** An entry out of all proportion. Deflated beside the other cases, whose times must not depend on it. */
async function bomb(): Promise<Entry> {
  const data = Buffer.alloc(BOMB_BYTES);
  return { name: 'bomb', data, deflated: await promisify(deflateRaw)(data) };
}

/** Inits an image with an action of its own with an archive that must be refused whole. */
async function refused(context: Context, zip: Buffer, prepare?: (root: string) => void): Promise<void> {
  const server = await context.start({
    prepare: (root) => {
      image(IMAGE)(root);
      prepare?.(root);
    },
  });
  const before = treeOf(server.actionRoot);
  errorText('init', await server.init(archive(zip)), 502);
  const logs = server.takeRunLogs();
  matches('its log', logs.stdout + logs.stderr, /\S/);
  equal('the folder', treeOf(server.actionRoot), before);
  equal('a file beside the folder', existsSync(join(server.actionRoot, '..', 'evil')), false);
  equal('the run', resultOf('the run', await server.run()), { image: true });
  equal('the next init', (await server.init(archive(zipOf([exec()])))).status, 200);
  equal('the run', resultOf('the run', await server.run()), { zip: true });
}

const UNSAFE: readonly (readonly [string, readonly Entry[]])[] = [
  ['../evil', [{ name: '../evil', data: 'x' }]],
  ['a/../../evil', [{ name: 'a/../../evil', data: 'x' }]],
  ['an entry named ..', [{ name: '..', data: 'x' }]],
  ['an empty name', [{ name: '', data: 'x' }]],
  ['NUL in a name', [{ name: 'a\0b', data: 'x' }]],
  ['a backslash in a name', [{ name: 'a\\b', data: 'x' }]],
  ['a device', [{ name: 'device', mode: DEVICE | 0o644 }]],
  [
    'a file and a folder of one path',
    [
      { name: 'a', data: 'x' },
      { name: 'a/', mode: FOLDER | 0o755 },
    ],
  ],
];

/** POST /init: archives that are unpacked, and archives that are refused. */
export const initArchiveCases: readonly ConformanceCase[] = [
  fresh(
    'C-INIT-06',
    'peer',
    'a zip is unpacked over the folder; what it does not name stays',
    async (context) => {
      const server = await context.start({
        prepare: (root) => {
          image(IMAGE)(root);
          writeFileSync(join(root, 'kept'), 'of the image');
          writeFileSync(join(root, 'replaced'), 'of the image');
        },
      });
      const zip = zipOf([exec(), { name: 'replaced', data: 'of the zip' }]);
      equal('init', (await server.init(archive(zip))).status, 200);
      equal('the run', resultOf('the run', await server.run()), { zip: true });
      const read = (name: string): string => readFileSync(join(server.actionRoot, name), 'utf8');
      equal('files', [read('kept'), read('replaced')], ['of the image', 'of the zip']);
    },
  ),

  fresh(
    'C-INIT-06',
    'peer',
    'nested folders with and without entries, stored and deflated',
    async (context) => {
      const server = await context.start();
      const zip = zipOf([
        exec('echo "[\\"$(cat a/b/c)\\",\\"$(cat d/e)\\"]"'),
        { name: 'a/', mode: FOLDER | 0o755 },
        { name: 'a/b/', mode: FOLDER | 0o755 },
        { name: 'a/b/c', data: 'stored', stored: true },
        { name: 'd/e', data: 'deflated' },
      ]);
      equal('init', (await server.init(archive(zip))).status, 200);
      equal('the run', resultOf('the run', await server.run()), ['stored', 'deflated']);
    },
  ),

  fresh('C-INIT-07', 'peer', 'a zip without exec is data for the image’s own action', async (context) => {
    const server = await context.start({ prepare: image('#!/bin/sh\ncat data\n') });
    equal('init', (await server.init(archive(zipOf([{ name: 'data', data: '{"data":1}\n' }])))).status, 200);
    equal('the run', resultOf('the run', await server.run()), { data: 1 });
  }),

  ...(
    [
      ['mode 644', FILE | 0o644],
      ['no unix attributes', 0],
    ] as const
  ).map(([what, mode]) =>
    fresh('C-INIT-08', 'peer', `exec with ${what} works`, async (context) => {
      const server = await context.start();
      equal('init', (await server.init(archive(zipOf([exec(undefined, mode)])))).status, 200);
      equal('the run', resultOf('the run', await server.run()), { zip: true });
    }),
  ),

  fresh(
    'C-INIT-09',
    'better',
    'permission bits are kept, also of folders; without them files are 644',
    async (context) => {
      const server = await context.start();
      const zip = zipOf([
        exec('bin/tool'),
        { name: 'bin/', mode: FOLDER | 0o750 },
        { name: 'bin/tool', data: '#!/bin/sh\necho \'{"tool":1}\'\n', mode: FILE | 0o755 },
        { name: 'secret', data: 'x', mode: FILE | 0o600 },
        { name: 'plain', data: 'x', mode: 0 },
      ]);
      equal('init', (await server.init(archive(zip))).status, 200);
      equal('the run', resultOf('the run', await server.run()), { tool: 1 });
      const mode = (name: string): string =>
        (statSync(join(server.actionRoot, name)).mode & 0o777).toString(8);
      equal('modes', ['bin', 'bin/tool', 'secret', 'plain'].map(mode), ['750', '755', '600', '644']);
    },
  ),

  fresh('C-INIT-09', 'better', 'exec gets its x bits also where none was there', async (context) => {
    const server = await context.start();
    rmSync(server.exec);
    equal('init', (await server.init(archive(zipOf([exec(undefined, FILE | 0o644)])))).status, 200);
    equal('the run', resultOf('the run', await server.run()), { zip: true });
  }),

  fresh('C-INIT-10', 'better', 'links are links, also exec', async (context) => {
    const server = await context.start();
    const zip = zipOf([
      { name: 'exec', data: 'bin/real', mode: LINK | 0o777 },
      { ...exec('echo \'{"linked":true}\''), name: 'bin/real' },
    ]);
    equal('init', (await server.init(archive(zip))).status, 200);
    equal('the run', resultOf('the run', await server.run()), { linked: true });
  }),

  fresh('C-INIT-10', 'better', 'a link that leads outside is a link all the same', async (context) => {
    const server = await context.start();
    const links = ['/usr/bin/python3', '../../tmp', 'd/../../x'];
    const entries = links.map((data, at) => ({ name: `out${at}`, data, mode: LINK | 0o777 }));
    equal('init', (await server.init(archive(zipOf([exec(), ...entries])))).status, 200);
    equal('the run', resultOf('the run', await server.run()), { zip: true });
    const tree = treeOf(server.actionRoot);
    equal(
      'the links',
      links.map((_, at) => tree[`out${at}`]),
      links.map((target) => `link to ${target}`),
    );
  }),

  fresh('C-INIT-10', 'better', 'an entry written through a link of the zip is refused', (context) =>
    refused(
      context,
      zipOf([exec(), { name: 'a', data: '/tmp', mode: LINK | 0o777 }, { name: 'a/evil', data: 'x' }]),
    ),
  ),

  fresh(
    'C-INIT-10',
    'better',
    'an entry written through a link that lay in the folder is refused',
    (context) => {
      const outside = join(context.scratch, 'outside');
      mkdirSync(outside);
      const zip = zipOf([exec(), { name: 'way/evil', data: 'x' }]);
      return refused(context, zip, (root) => symlinkSync(outside, join(root, 'way'))).then(() =>
        equal('the folder outside', treeOf(outside), {}),
      );
    },
  ),

  fresh('C-INIT-11', 'better', 'an absolute path: the whole archive is refused', async (context) => {
    const evil = join(context.scratch, 'evil');
    await refused(context, zipOf([exec(), { name: evil, data: 'x' }]));
    equal('the file outside', existsSync(evil), false);
  }),

  ...UNSAFE.map(([what, entries]) =>
    fresh('C-INIT-11', 'better', `${what}: the whole archive is refused`, (context) =>
      refused(context, zipOf([exec(), ...entries])),
    ),
  ),

  fresh('C-INIT-12', 'better', 'an entry of 200 MB that deflates 1000:1 is refused', async (context) =>
    refused(context, zipOf([exec(), await bomb()])),
  ),

  fresh(
    'C-INIT-12',
    'better',
    'what an entry inflates to counts, not what its header claims',
    async (context) => refused(context, zipOf([exec(), { ...(await bomb()), claimedBytes: 10 }])),
  ),

  fresh('C-INIT-12', 'peer', '40 MB that do not compress are taken', async (context) => {
    const server = await context.start();
    const zip = zipOf([exec(), { name: 'noise', data: randomBytes(LARGE_BYTES), stored: true }]);
    equal('init', (await server.init(archive(zip))).status, 200);
    equal('the run', resultOf('the run', await server.run()), { zip: true });
  }),

  ...(
    [
      ['bytes that are no zip', () => Buffer.from('this is not a zip')],
      ['a truncated zip', () => zipOf([exec(), { name: 'a', data: randomBytes(5000) }]).subarray(0, -2500)],
      ['a wrong checksum', () => zipOf([exec(), { name: 'a', data: 'x', claimedCrc: 1 }])],
    ] as const
  ).map(([what, zip]) =>
    fresh('C-INIT-13', 'better', `${what}: 502, the reason in the log, all stays as it was`, (context) =>
      refused(context, zip()),
    ),
  ),

  fresh('C-INIT-14', 'peer', 'white space in base64 is ignored', async (context) => {
    const server = await context.start();
    const code = (
      zipOf([exec()])
        .toString('base64')
        .match(/.{1,60}/g) ?? []
    ).join('\r\n \t');
    equal('init', (await server.init({ binary: true, code: `${code}\n` })).status, 200);
    equal('the run', resultOf('the run', await server.run()), { zip: true });
  }),

  ...(
    [
      ['another character', (code: string) => `${code.slice(0, 8)}!${code.slice(8)}`],
      ['a wrong length', (code: string) => code.replace(/=*$/, 'A').padEnd((code.length >> 2) * 4 + 1, 'A')],
      ['the URL-safe alphabet', (code: string) => `--__${code}`],
    ] as const
  ).map(([what, spoil]) =>
    fresh('C-INIT-15', 'better', `${what} in base64 is refused`, async (context) => {
      const server = await context.start({ prepare: image(IMAGE) });
      const code = spoil(zipOf([exec()]).toString('base64'));
      errorText('init', await server.init({ binary: true, code }), 502);
      server.takeRunLogs();
      equal('the run', resultOf('the run', await server.run()), { image: true });
    }),
  ),

  fresh('C-INIT-23', 'better', 'a failed re-init leaves all as it was', async (context) => {
    const server = await context.start({ env: { PROXY_ALLOW_REINIT: '1' } });
    equal('init', (await server.init(archive(zipOf([exec(), { name: 'a', data: '1' }])))).status, 200);
    const before = treeOf(server.actionRoot);
    const broken = zipOf([
      { name: 'a', data: '2' },
      exec('echo "[]"'),
      { name: 'b', data: 'x', claimedCrc: 1 },
    ]);
    errorText('the second init', await server.init(archive(broken)), 502);
    equal('the folder', treeOf(server.actionRoot), before);
    equal('the run', resultOf('the run', await server.run()), { zip: true });
  }),

  fresh('C-INIT-23', 'peer', 'no run fails during re-inits', async (context) => {
    const server = await context.start({ env: { PROXY_ALLOW_REINIT: '1' } });
    const zip = archive(zipOf([exec(), { name: 'noise', data: randomBytes(500_000) }]));
    equal('init', (await server.init(zip)).status, 200);
    const failures: string[] = [];
    let over = false;
    const runs = Array.from({ length: 4 }, async () => {
      while (!over) {
        const answer: Answer = await server.run();
        if (answer.status !== 200) failures.push(`${answer.status} ${answer.text}`);
      }
    });
    for (let count = 0; count < 10; count++) equal('re-init', (await server.init(zip)).status, 200);
    over = true;
    await Promise.all(runs);
    equal('failed runs', failures, []);
  }),
];
