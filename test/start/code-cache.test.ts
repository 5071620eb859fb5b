import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { RunServer } from '../support/run-server.js';

const TELL = fileURLToPath(new URL('../fixtures/list-scripts.cjs', import.meta.url));
const HOME = fileURLToPath(new URL('../../', import.meta.url));

describe('the recorded form of the scripts', () => {
  let server: RunServer | undefined;
  afterEach(() => server?.stop());

  /** What was told of the scripts while a server started and ran once. */
  async function start(options: string): Promise<string[]> {
    server = await RunServer.start({ engine: 'auto', env: { NODE_OPTIONS: `-r ${TELL} ${options}` } });
    await server.install('#!/bin/sh\necho "{}"\n');
    expect((await server.run()).status).toBe(200);
    const lines = readFileSync(join(server.folder, 'stderr'), 'utf8').split('\n');
    return lines.filter((line) => /^(main|worker) /.test(line));
  }

  it('is taken by the main thread and by the workers', async () => {
    const reported = await start('');
    expect(reported.filter((line) => line.includes(' rejected '))).toEqual([]);
    expect(reported.join('\n')).toMatch(/^main taken .*\/dist\/server\/main\.js$/m);
    expect(reported.join('\n')).toMatch(/^main taken .*\/chunks\/serve\.js$/m);
    expect(reported.join('\n')).toMatch(/^worker taken .*\/threads\/entry\.js$/m);
  });

  it('is not taken by another kind of V8, and then all goes on as without', async () => {
    const reported = await start('--interpreted-frames-native-stack');
    expect(reported.length).toBeGreaterThan(0);
    expect(reported.filter((line) => line.includes(' taken '))).toEqual([]);
  });
});

describe('an installation', () => {
  let folder: string;
  afterEach(() => rmSync(folder, { recursive: true }));

  /** A copy that may be changed. */
  function install(): string {
    folder = mkdtempSync(join(tmpdir(), 'code-cache-test-'));
    for (const name of ['bin', 'package.json', 'dist/server'])
      cpSync(join(HOME, name), join(folder, name), { recursive: true, preserveTimestamps: true });
    symlinkSync(join(HOME, 'node_modules'), join(folder, 'node_modules'));
    return join(folder, 'dist/server');
  }

  const run = (options = ''): string =>
    execFileSync(join(folder, 'bin/hyperskeleton'), ['--version'], {
      env: { PATH: process.env.PATH, NODE_OPTIONS: `-r ${TELL} ${options}` },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });

  it('runs a script that has changed since as it is now', () => {
    const server = install();
    const before = run();
    appendFileSync(join(server, 'main.js'), '\nprocess.stdout.write("changed");');
    expect(run()).toBe(`${before}changed`);
  });

  it.each([
    ['nothing is recorded', (cache: string) => rmSync(cache)],
    ['the recording is empty', (cache: string) => writeFileSync(cache, '')],
    ['the recording is none', (cache: string) => writeFileSync(cache, 'x'.repeat(1000))],
    [
      'the recording is cut off',
      (cache: string) => writeFileSync(cache, readFileSync(cache).subarray(0, 4000)),
    ],
  ])('starts where %s', (_, spoil) => {
    const cache = join(install(), 'cache/main.cache');
    const before = run();
    spoil(cache);
    expect(run()).toBe(before);
  });
});
