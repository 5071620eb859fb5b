import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { recoverInterruptedInit } from '../../src/action/recover.js';
import { startActionLoopServer } from '../support/actionloop-server.js';
import { archiveBody, type Entry, script, zipOf } from '../support/archives.js';
import { RunServer } from '../support/run-server.js';
import { treeOf } from '../support/trees.js';
import { until } from '../support/waiting.js';

const FIXTURE = fileURLToPath(new URL('../fixtures/killed-replacement.mjs', import.meta.url));
const HANG = fileURLToPath(new URL('../fixtures/hang-in-init.cjs', import.meta.url));
/** More calls than the replacement makes. */
const MAX_CALLS = 100;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hyperskeleton-killed-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** An action, and the files of an init beside it: replaced, added, and of another kind than before. */
function lay(staged: boolean): void {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(root);
  for (const path of ['exec', 'kept', 'lib/a', 'lib/deep/b', 'folder/x', 'was/file'])
    write(path, `old ${path}`);
  symlinkSync('kept', join(root, 'link'));
  if (!staged) return;
  const files = '.hyperskeleton-test/new';
  for (const path of [
    'exec',
    'added',
    'more/c',
    'lib/a',
    'lib/deep/d',
    'folder',
    'link',
    'was/file/now/a/folder',
  ])
    write(`${files}/${path}`, `new ${path}`);
  mkdirSync(join(root, '.hyperskeleton-test/old'));
}

describe('C-INIT-23: a server that is killed amid an init', () => {
  it.each([
    ['moves files in', ''],
    ['takes them back', '1'],
  ])('leaves the old action or the new one, never a mix, wherever it %s', (_what, undo) => {
    lay(false);
    const before = treeOf(root);
    const env = { ...process.env, UNDO: undo };
    let after: Record<string, string> | undefined;
    let killed = 0;
    for (let at = 0; after === undefined; at++) {
      expect(at).toBeLessThan(MAX_CALLS);
      lay(true);
      const { status, signal, stderr } = spawnSync(process.execPath, [FIXTURE, root, String(at)], { env });
      if (signal !== 'SIGKILL') expect([status, stderr.toString()]).toEqual([0, '']);
      else killed++;
      recoverInterruptedInit(root);
      if (signal === 'SIGKILL') expect([at, treeOf(root)]).toEqual([at, before]);
      else after = treeOf(root);
    }
    expect(killed).toBeGreaterThan(15);
    if (undo === '1') expect(after).toEqual(before);
    else expect(after).not.toEqual(before);
  });

  it('leaves nothing behind once it is started again', async () => {
    const action = join(root, 'action');
    const flags = ['--action-root', action];
    const env = { NODE_OPTIONS: `--require ${HANG}`, HANG: 'wait' };
    const entries: Entry[] = [
      script('exec', 'echo "{}"'),
      { name: 'big', data: Buffer.alloc(500_000, 'abcdefg'), stored: false },
    ];
    entries.push({
      name: 'noise',
      data: Buffer.from(Array.from({ length: 200_000 }, (_, at) => (at * at) % 251)),
      stored: true,
    });
    const first = await RunServer.start({ engine: 'posix_spawn', flags, env });
    const before = treeOf(action);
    const init = first.post('/init', archiveBody(zipOf(entries))).catch(() => undefined);
    await until('it unpacks', () => readdirSync(action).some((name) => name.startsWith('.hyperskeleton-')));
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    await init;
    const second = await RunServer.start({ engine: 'posix_spawn', flags });
    try {
      expect(treeOf(action)).toEqual(before);
      expect((await second.post('/init', archiveBody(zipOf(entries)))).status).toBe(200);
    } finally {
      await first.stop();
      await second.stop();
    }
  });

  it('ActionLoop: leaves no folder of an init behind that had not succeeded, and those that others made', async () => {
    const action = join(root, 'action');
    mkdirSync(join(action, '7/bin'), { recursive: true });
    writeFileSync(join(action, '7/bin/exec'), 'of the image');
    const flags = ['--action-root', action];
    // It never acknowledges.
    const env = { OW_WAIT_FOR_ACK: '1' };
    const first = await startActionLoopServer({ engine: 'posix_spawn', flags, env });
    const code = '#!/bin/sh\nread -r line\n';
    const init = first.post('/init', JSON.stringify({ value: { code } })).catch(() => undefined);
    await until('it is installed', () => existsSync(join(action, '8/bin/exec')));
    first.process.kill('SIGKILL');
    await once(first.process, 'exit');
    await init;
    expect(readdirSync(action)).toContain('8');
    const second = await startActionLoopServer({ engine: 'posix_spawn', flags });
    try {
      expect(readdirSync(action)).toEqual(['7']);
      expect((await second.post('/init', JSON.stringify({ value: { code } }))).status).toBe(200);
      expect(readdirSync(join(action, '8'))).toEqual(['bin']);
    } finally {
      await first.stop();
      await second.stop();
    }
  });
});
