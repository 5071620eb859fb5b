import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { MemoryGroup } from '../../src/os/memory-group.js';

const mounted = mkdtempSync(join(tmpdir(), 'hyperskeleton-groups-'));
afterEach(() => rmSync(mounted, { recursive: true, force: true }));

function write(group: string, files: Record<string, string>): void {
  mkdirSync(join(mounted, group), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(mounted, group, name), text);
}

describe('the group that limits the memory', () => {
  it('is told only where there is one', () => {
    expect(MemoryGroup.find('')).toBeUndefined();
    expect(MemoryGroup.find('5:cpu:/a\n')).toBeUndefined();
  });

  it('is what this machine has, if anything', () => {
    const group = MemoryGroup.find();
    if (group?.usedBytes !== undefined) expect(group.usedBytes).toBeGreaterThan(0);
    if (group?.limitBytes !== undefined) expect(group.limitBytes).toBeLessThan(2 ** 60);
    if (group?.unreclaimableBytes !== undefined) expect(group.unreclaimableBytes).toBeGreaterThan(0);
  });

  it('counts no cached files, and the kills of the own group (version 2)', () => {
    write('sys/fs/cgroup/a', {
      'memory.current': '900\n',
      'memory.max': '1000\n',
      'memory.stat': 'anon 5\n',
    });
    write('sys/fs/cgroup/a/b', {
      'memory.current': '1000\n',
      'memory.max': 'max\n',
      'memory.stat': 'inactive_file 100\n',
      'memory.events': 'low 0\noom 3\noom_kill 2\noom_group_kill 0\n',
    });
    write('sys/fs/cgroup/a', {
      'memory.stat': 'file 1\ninactive_file 300\nactive_file 20\nslab_reclaimable 3\n',
    });
    const group = MemoryGroup.find('0::/a/b\n', mounted);
    expect(group).toMatchObject({ limitBytes: 1000, usedBytes: 900, unreclaimableBytes: 577, oomKills: 2 });
  });

  it('counts them in version 1, too', () => {
    write('sys/fs/cgroup/memory/a', {
      'memory.usage_in_bytes': '900\n',
      'memory.limit_in_bytes': '9223372036854771712\n',
      'memory.stat': 'inactive_file 1\ntotal_inactive_file 300\ntotal_active_file 20\n',
      'memory.oom_control': 'oom_kill_disable 0\nunder_oom 0\noom_kill 7\n',
    });
    const group = MemoryGroup.find('4:memory:/a\n', mounted);
    expect(group).toMatchObject({
      limitBytes: undefined,
      usedBytes: 900,
      unreclaimableBytes: 580,
      oomKills: 7,
    });
  });
});
