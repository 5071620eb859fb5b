import { describe, expect, it } from 'vitest';
import { defaultLimits, lowestPidsMax } from '../../src/admission/default-limit.js';

describe('the default limit of activations in flight', () => {
  const reader = (files: Record<string, string>) => (path: string) => files[path];

  it.each([
    ['of the group itself', '/a/b', { '/sys/fs/cgroup/a/b/pids.max': '64\n' }, 64],
    [
      'of one above it',
      '/a/b',
      { '/sys/fs/cgroup/a/b/pids.max': 'max\n', '/sys/fs/cgroup/a/pids.max': '32\n' },
      32,
    ],
    ['the lowest of them', '/a', { '/sys/fs/cgroup/a/pids.max': '100', '/sys/fs/cgroup/pids.max': '50' }, 50],
    ['none', '/a', {}, Number.POSITIVE_INFINITY],
  ])('knows the pids.max %s (control groups version 2)', (_, path, files, expected) => {
    expect(lowestPidsMax(`0::${path}\n`, reader(files))).toBe(expected);
  });

  it('knows the pids.max of nested groups of version 1', () => {
    const files = {
      '/sys/fs/cgroup/pids/kubepods/pod/pids.max': '16\n',
      '/sys/fs/cgroup/pids/pids.max': 'max\n',
    };
    const groups = '12:cpu,cpuacct:/x\n9:pids:/kubepods/pod/inner\n0::/\n';
    expect(lowestPidsMax(groups, reader(files))).toBe(16);
  });

  it('is at least one, whatever the limits are', () => {
    expect(defaultLimits('', 16).inFlight).toBe(1);
  });
});
