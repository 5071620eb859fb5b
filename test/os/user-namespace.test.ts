import { describe, expect, it } from 'vitest';
import { outsideOwner } from '../../src/os/user-namespace.js';

const owner = (uidMap: string, overflowUid = '65534\n') => outsideOwner({ uidMap, overflowUid });

describe('the number that stands for owners outside of a user namespace', () => {
  it('is none where all users are in it', () => {
    expect(owner('         0          0 4294967295\n')).toBeUndefined();
  });

  it('is the overflow user where the namespace has one user, or subordinate users that end before it', () => {
    expect(owner('         0       1000          1\n')).toBe(65_534);
    expect(owner('0 1000 1\n1 100000 65533\n')).toBe(65_534);
    expect(owner('0 1000 1\n', '99\n')).toBe(99);
  });

  it('is none where the overflow user may also be a user of it', () => {
    expect(owner('0 1000 1\n1 100000 65536\n')).toBeUndefined();
  });

  it('is none where nothing tells', () => {
    expect(owner('')).toBeUndefined();
    expect(owner('0 1000 1\n', '')).toBe(65_534);
  });
});
