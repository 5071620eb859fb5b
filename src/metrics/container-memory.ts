import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { MemoryGauges } from './gauges.js';

/** The two versions of control groups: where memory is accounted, and under which names (cgroups(7)). */
const VERSIONS = [
  { root: '/sys/fs/cgroup', line: /^0::(\/.*)$/m, limit: 'memory.max', used: 'memory.current' },
  {
    root: '/sys/fs/cgroup/memory',
    line: /^\d+:(?:[^:]*,)?memory(?:,[^:]*)?:(\/.*)$/m,
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
  },
] as const;

/** Version 1 has no word for no limit: it is the largest number of whole pages. */
const NO_LIMIT_BYTES = 2 ** 60;

/**
 * Where the kernel accounts for this container's memory: its group as /proc names it, or, where the container
 * sees only itself, the root of the mount.
 *
 * @returns reads limit and usage; undefined where there is no such group
 */
export function containerMemory(groups = read('/proc/self/cgroup') ?? ''): (() => MemoryGauges) | undefined {
  for (const { root, line, limit, used } of VERSIONS) {
    const named = line.exec(groups)?.[1];
    if (named === undefined) continue;
    const folder = [join(root, named), root].find((one) => existsSync(join(one, used)));
    if (folder === undefined) continue;
    return () => ({
      limitBytes: bytesIn(read(join(folder, limit))),
      usedBytes: bytesIn(read(join(folder, used))),
    });
  }
  return undefined;
}

function bytesIn(text: string | undefined): number | undefined {
  const bytes = Number.parseInt(text ?? '', 10);
  return Number.isNaN(bytes) || bytes >= NO_LIMIT_BYTES ? undefined : bytes;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined;
  }
}
