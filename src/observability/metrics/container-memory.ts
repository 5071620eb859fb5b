import { join } from 'node:path';
import { groupFolder, ownGroups, readIfThere, VERSION_2, version1 } from '../../os/control-group.js';
import type { MemoryGauges } from './gauges.js';

/** Where memory is accounted, and under which names (cgroups(7)). */
const VERSIONS = [
  { accounting: VERSION_2, limit: 'memory.max', used: 'memory.current' },
  { accounting: version1('memory'), limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes' },
] as const;

/** Version 1 has no word for no limit: it is the largest number of whole pages. */
const NO_LIMIT_BYTES = 2 ** 60;

/**
 * Where the kernel accounts for this container's memory.
 *
 * @returns reads limit and usage; undefined where there is no such group
 */
export function containerMemory(groups = ownGroups()): (() => MemoryGauges) | undefined {
  for (const { accounting, limit, used } of VERSIONS) {
    const folder = groupFolder(accounting, used, groups);
    if (folder === undefined) continue;
    const [limitPath, usedPath] = [join(folder, limit), join(folder, used)];
    return () => ({
      limitBytes: bytesIn(readIfThere(limitPath)),
      usedBytes: bytesIn(readIfThere(usedPath)),
    });
  }
  return undefined;
}

function bytesIn(text: string | undefined): number | undefined {
  const bytes = Number.parseInt(text ?? '', 10);
  return Number.isNaN(bytes) || bytes >= NO_LIMIT_BYTES ? undefined : bytes;
}
