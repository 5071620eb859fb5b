import { describe, expect, it } from 'vitest';
import { actionUserOf, hasNoNewPrivileges, requireCapabilities } from '../../src/config/action-user.js';
import { loadConfig } from '../../src/config/load.js';
import { parseResourceLimits } from '../../src/config/resource-limits.js';
import { rightsText, UNLIMITED } from '../../src/os/rights.js';

const PASSWD =
  'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\nweb:x:33:33::/:/bin/sh\nbad:x:x:1::/:\n';
const GROUP = 'root:x:0:\napp:x:1000:\ndata:x:50:web,app\nmedia:x:60:app\n';

describe('HYPERSKELETON_ACTION_USER', () => {
  const user = (text: string): unknown => actionUserOf(text, PASSWD, GROUP);

  it.each([
    ['app', { uid: 1000, gid: 1000, groups: [1000, 50, 60] }],
    ['1000', { uid: 1000, gid: 1000, groups: [1000, 50, 60] }],
    ['app:data', { uid: 1000, gid: 50, groups: [50] }],
    ['33:60', { uid: 33, gid: 60, groups: [60] }],
    ['4000:4001', { uid: 4000, gid: 4001, groups: [4001] }],
  ])('%s', (text, expected) => {
    expect(user(text)).toEqual(expected);
  });

  it.each([
    ['nobody', 'no user nobody'],
    ['app:none', 'no group none'],
    ['root', 'another user than root'],
    ['0:1000', 'another user than root'],
    ['4000', 'give a group, too, as 4000:4000'],
    ['4294967295:1', 'no user 4294967295'],
    ['-1:1', 'no user -1'],
    ['bad:1', 'no user bad'],
    [':1000', 'no user '],
  ])('%s is refused', (text, why) => {
    expect(() => user(text)).toThrow(why);
  });

  it('takes a server that is root and has what it takes', () => {
    const status = (uid: number, capabilities: string): string =>
      `Uid:\t${uid}\t${uid}\t${uid}\t${uid}\nCapEff:\t${capabilities}\n`;
    expect(() => requireCapabilities('app', status(0, '00000000a80425fb'))).not.toThrow();
    expect(() => requireCapabilities('app', status(0, '00000000000000c0'))).toThrow('CAP_CHOWN, CAP_KILL');
    expect(() => requireCapabilities('app', status(1000, '0000000000000000'))).toThrow(
      'the server must be root',
    );
  });
});

describe('HYPERSKELETON_ACTION_RLIMITS', () => {
  it.each([
    ['', []],
    ['core=0', [{ resource: 4, soft: 0n, hard: 0n }]],
    [
      'nproc=64:128, fsize=100M:unlimited,cpu=5',
      [
        { resource: 6, soft: 64n, hard: 128n },
        { resource: 1, soft: 104_857_600n, hard: UNLIMITED },
        { resource: 0, soft: 5n, hard: 5n },
      ],
    ],
  ])('%j', (text, expected) => {
    expect(parseResourceLimits(text)).toEqual(expected);
  });

  it.each([
    'core',
    'core=',
    'core=x',
    'core=1:0',
    'core=1,core=2',
    'cpu=1K',
    'CORE=1',
    'constructor=1',
    ',',
    'as=-1',
  ])('%s is refused', (text) => {
    expect(parseResourceLimits(text)).toBeUndefined();
    const loaded = loadConfig({}, { HYPERSKELETON_ACTION_RLIMITS: text });
    expect(loaded).toMatchObject({ problems: [expect.stringContaining('HYPERSKELETON_ACTION_RLIMITS=')] });
  });
});

it('HYPERSKELETON_NO_NEW_PRIVS is on by default where actions are another user', () => {
  const noNewPrivs = (environment: Record<string, string>): unknown => {
    const loaded = loadConfig({}, environment);
    return 'problems' in loaded ? loaded : hasNoNewPrivileges(loaded);
  };
  expect(noNewPrivs({})).toBe(false);
  expect(noNewPrivs({ HYPERSKELETON_ACTION_USER: 'app' })).toBe(true);
  expect(noNewPrivs({ HYPERSKELETON_ACTION_USER: 'app', HYPERSKELETON_NO_NEW_PRIVS: 'off' })).toBe(false);
  expect(noNewPrivs({ HYPERSKELETON_NO_NEW_PRIVS: 'on' })).toBe(true);
});

it('rights as the helper reads them', () => {
  const user = { uid: 1, gid: 2, groups: [2, 3] };
  const limits = [{ resource: 4, soft: 0n, hard: UNLIMITED }];
  expect(rightsText(undefined)).toBe('');
  expect(rightsText({ user, noNewPrivileges: true, limits })).toBe('1 2 2 2 3 1 1 4 0 18446744073709551615');
  expect(rightsText({ user: undefined, noNewPrivileges: false, limits: [] })).toBe(
    '18446744073709551615 18446744073709551615 0 0 0',
  );
});
