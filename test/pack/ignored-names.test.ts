import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IGNORE_FILE, ignoredIn } from '../../src/pack/ignored-names.js';

describe('what of a folder is not packed', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'hyperskeleton-ignored-'));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const leftOut = (lines: string, paths: readonly string[]): string[] => {
    writeFileSync(join(folder, IGNORE_FILE), lines);
    const isIgnored = ignoredIn(folder);
    return paths.filter((path) => isIgnored(path.replace(/\/$/, ''), path.endsWith('/')));
  };

  it('is history, secrets and the list itself, where there is no list too', () => {
    const isIgnored = ignoredIn(folder);
    const names = ['.git', '.env', '.env.local', 'lib/.git', IGNORE_FILE, 'exec', 'env', '.github'];
    expect(names.filter((name) => isIgnored(name, false))).toEqual([
      '.git',
      '.env',
      '.env.local',
      'lib/.git',
      IGNORE_FILE,
    ]);
  });

  it.each<[string, string, string[], string[]]>([
    ['a name anywhere', '*.pyc\n', ['a.pyc', 'b/a.pyc', 'a.pyo'], ['a.pyc', 'b/a.pyc']],
    ['a place', '/build\nlib/*.a\n', ['build/', 'x/build/', 'lib/x.a', 'lib/y/x.a'], ['build/', 'lib/x.a']],
    ['folders only', 'cache/\n', ['cache/', 'a/cache/', 'cache'], ['cache/', 'a/cache/']],
    ['any depth', 'a/**/z\n**/deep\n', ['a/z', 'a/b/c/z', 'z', 'x/deep'], ['a/z', 'a/b/c/z', 'x/deep']],
    ['one character', 'a?c\n', ['abc', 'ac', 'a/c'], ['abc']],
    [
      'taken back',
      '*.log\n!keep.log\n!.env.example\n',
      ['a.log', 'keep.log', '.env', '.env.example'],
      ['a.log', '.env'],
    ],
    [
      'comments, blanks, and characters of expressions',
      '# x\n\n  a+(b)\n',
      ['a+(b)', '# x', 'aab'],
      ['a+(b)'],
    ],
  ])('%s', (_what, lines, paths, expected) => {
    expect(leftOut(lines, paths)).toEqual(expected);
  });
});
