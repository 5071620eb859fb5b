import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { archiveBody, script, zipOf } from '../support/archives.js';
import { RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';

const MAX_ZIP_BYTES = 1 << 20;
/** Writes the archive that its argument names to stdout, with Python's zipfile. */
const PYTHON = `
import io, sys, zipfile
exec_text = b'#!/bin/sh\\necho \\'{"from":"python"}\\'\\n'
class Pipe(io.RawIOBase):
    def writable(self): return True
    def seekable(self): return False
    def write(self, data): return sys.stdout.buffer.write(bytes(data))
def archive(target, packed, comment=b'', zip64=False):
    with zipfile.ZipFile(target, 'w', packed) as z:
        with z.open(zipfile.ZipInfo('exec'), 'w', force_zip64=zip64) as f: f.write(exec_text)
        z.writestr('data/b', 'x' * 5000)
        z.comment = comment
kind = sys.argv[1]
whole = io.BytesIO()
if kind == 'deflated': archive(whole, zipfile.ZIP_DEFLATED)
if kind == 'stored': archive(whole, zipfile.ZIP_STORED)
if kind == 'comment': archive(whole, zipfile.ZIP_DEFLATED, b'c' * 65535)
if kind == 'zip64': archive(whole, zipfile.ZIP_DEFLATED, zip64=True)
if kind == 'descriptors deflated': archive(Pipe(), zipfile.ZIP_DEFLATED)
if kind == 'descriptors stored': archive(Pipe(), zipfile.ZIP_STORED)
sys.stdout.buffer.write(whole.getvalue())
`;

let server: RunServer;

beforeEach(async () => {
  server = await RunServer.start({ engine: 'posix_spawn' });
});
afterEach(() => server.stop());

async function expectServes(zip: Buffer, result: unknown): Promise<void> {
  const answer = await server.post('/init', archiveBody(zip));
  expect([answer.status, answer.body.toString()]).toEqual([200, 'OK']);
  expect(JSON.parse((await server.run()).body.toString())).toEqual(result);
}

describe('archives by the programs that people pack with', () => {
  let project: string;

  beforeAll(() => {
    project = mkdtempSync(join(tmpdir(), 'hyperskeleton-project-'));
    mkdirSync(join(project, 'bin'));
    mkdirSync(join(project, 'empty'));
    writeFileSync(join(project, 'exec'), '#!/bin/sh\nexec bin/tool\n');
    chmodSync(join(project, 'exec'), 0o755);
    writeFileSync(join(project, 'bin/real'), '#!/bin/sh\necho \'{"from":"zip"}\'\n');
    chmodSync(join(project, 'bin/real'), 0o750);
    symlinkSync('real', join(project, 'bin/tool'));
    writeFileSync(join(project, 'dätä'), 'x'.repeat(100_000));
    chmodSync(join(project, 'dätä'), 0o640);
  });
  afterAll(() => rmSync(project, { recursive: true }));

  function packed(flags: string): Buffer {
    const archive = join(project, '..', `${basename(project)}.zip`);
    execFileSync('zip', [flags, archive, '.'], { cwd: project });
    try {
      return readFileSync(archive);
    } finally {
      rmSync(archive);
    }
  }

  it.each([
    ['zip', '-qry'],
    ['zip without folder entries', '-qryD'],
    ['zip without compression', '-qry0'],
  ])('C-INIT-06, C-INIT-09, C-INIT-10: %s: files, modes and links are kept', async (_what, flags) => {
    await expectServes(packed(flags), { from: 'zip' });
    const { empty, ...rest } = treeOf(project);
    expect(empty).toBe('folder 755');
    expect(treeOf(server.actionRoot)).toEqual(flags.includes('D') ? rest : { empty, ...rest });
  });

  it('C-INIT-10: zip that follows links makes files of them', async () => {
    await expectServes(packed('-qr'), { from: 'zip' });
    expect(treeOf(server.actionRoot)['bin/tool']).toMatch(/^file 750 /);
  });

  it.each(['deflated', 'stored', 'comment', 'zip64', 'descriptors deflated', 'descriptors stored'])(
    'C-INIT-06: Python’s zipfile, %s',
    async (kind) => {
      const zip = execFileSync('python3', ['-c', PYTHON, kind], { maxBuffer: MAX_ZIP_BYTES });
      await expectServes(zip, { from: 'python' });
      expect(treeOf(server.actionRoot)['data/b']).toMatch(/ 5000 /);
    },
  );
});

describe('what else an archive may be', () => {
  const EXEC = script('exec', 'echo \'{"from":"zip"}\'');

  it('C-INIT-06: of two entries for one file the last one counts', async () => {
    await expectServes(zipOf([script('exec', 'echo \'{"from":"first"}\''), EXEC]), { from: 'zip' });
  });

  it('C-INIT-06: two entries for one folder are one folder', async () => {
    const folder = { name: 'd/', mode: 0o040755 };
    await expectServes(zipOf([folder, { name: 'd/x', data: 'x' }, folder, EXEC]), { from: 'zip' });
    expect(treeOf(server.actionRoot)).toMatchObject({ d: 'folder 755' });
  });

  it('C-INIT-06: paths may begin with ./ and hold empty components', async () => {
    const exec = { ...EXEC, name: './exec' };
    const entries = [{ name: './', mode: 0o040755 }, exec, { name: './d//x', data: 'x' }];
    await expectServes(zipOf(entries), { from: 'zip' });
    expect(Object.keys(treeOf(server.actionRoot))).toEqual(['d', 'd/x', 'exec']);
  });

  it('C-INIT-06: a folder without write permission is filled all the same', async () => {
    const entries = [{ name: 'd/', mode: 0o040555 }, { name: 'd/x', data: 'x' }, EXEC];
    await expectServes(zipOf(entries), { from: 'zip' });
    expect(Object.keys(treeOf(server.actionRoot))).toContain('d/x');
  });

  it('C-INIT-07: an archive without entries leaves what is there', async () => {
    await server.install('#!/bin/sh\necho \'{"from":"image"}\'\n');
    const before = treeOf(server.actionRoot);
    await expectServes(zipOf([]), { from: 'image' });
    expect(treeOf(server.actionRoot)).toEqual(before);
  });

  it('C-INIT-12: thousands of small entries are no bomb', async () => {
    const files = Array.from({ length: 5000 }, (_, at) => ({ name: `m/${at % 50}/${at}`, data: `${at}` }));
    await expectServes(zipOf([...files, EXEC]), { from: 'zip' });
    expect(Object.keys(treeOf(server.actionRoot))).toHaveLength(5000 + 50 + 1 + 1);
  });

  it('C-INIT-12: a large file that packs as text does is no bomb', async () => {
    const line = (at: number): string => `${(at * 2654435761) >>> 0} a line of a table\n`;
    const text = Array.from({ length: 1_000_000 }, (_, at) => line(at)).join('');
    await expectServes(zipOf([EXEC, { name: 'table', data: text }]), { from: 'zip' });
    expect(treeOf(server.actionRoot).table).toContain(` ${text.length} `);
  });

  it.each([
    ['exec in a folder of its own', [{ ...EXEC, name: 'project/exec' }]],
    ['exec as a folder', [{ ...EXEC, name: 'exec/exec' }]],
    [
      'exec as a link to a folder',
      [
        { name: 'exec', data: 'd', mode: 0o120777 },
        { name: 'd/x', data: 'x' },
      ],
    ],
    ['exec as a link to itself', [{ name: 'exec', data: 'exec', mode: 0o120777 }]],
  ])(
    'C-INIT-07, C-INIT-27: %s, and none there before: 502 M-INIT, nothing written',
    async (_what, entries) => {
      rmSync(server.exec);
      const answer = await server.post('/init', archiveBody(zipOf(entries)));
      expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([
        502,
        { error: 'The action failed to generate or locate a binary. See logs for details.' },
      ]);
      expect(server.takeRunLogs().stdout).toMatch(/^error: /);
      expect(treeOf(server.actionRoot)).toEqual({});
    },
  );
});
