import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { describe, expect, it } from 'vitest';
import { errnoName } from '../../src/os/libc.js';

describe('the name of an error number', () => {
  it.each([
    [constants.errno.EAGAIN, 'EAGAIN'],
    [constants.errno.EWOULDBLOCK, 'EAGAIN'],
    [constants.errno.EOPNOTSUPP, 'ENOTSUP'],
    [constants.errno.EDEADLK, 'EDEADLK'],
    [constants.errno.ENOEXEC, 'ENOEXEC'],
    [4095, 'E4095'],
  ])('of two names for one number it is the one that Node uses (%i)', (number, name) => {
    expect(errnoName(number)).toBe(name);
  });

  it('agrees with libuv on every number that libuv knows', () => {
    for (const number of new Set(Object.values(constants.errno))) {
      const known = getSystemErrorName(-number);
      if (known.startsWith('E')) expect([number, errnoName(number)]).toEqual([number, known]);
    }
  });
});
