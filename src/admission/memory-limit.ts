import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { groupFolder, ownGroups, readIfThere, VERSION_2, version1 } from '../os/control-group.js';

/** Where a limit on memory is set, and under which name (cgroups(7)). */
const VERSIONS = [
  { accounting: VERSION_2, file: 'memory.max' },
  { accounting: version1('memory'), file: 'memory.limit_in_bytes' },
] as const;

/**
 * The memory that this process may use at most: the least of the limits on its control group and on all groups
 * around that (versions 1 and 2), and of what the machine has.
 *
 * @param groups text of `/proc/self/cgroup`
 * @param mounted the folder in which the trees of control groups are looked for
 */
export function memoryLimitBytes(groups = ownGroups(), mounted = '/'): number {
  let least = totalmem();
  for (const { accounting, file } of VERSIONS) {
    const root = join(mounted, accounting.root);
    let folder = groupFolder({ ...accounting, root }, file, groups);
    while (folder?.startsWith(root) === true) {
      least = Math.min(least, bytesIn(join(folder, file)) ?? least);
      folder = dirname(folder);
    }
  }
  return least;
}

/** Undefined for `max`, and for a file that is not there. */
function bytesIn(path: string): number | undefined {
  const bytes = Number.parseInt(readIfThere(path) ?? '', 10);
  return Number.isNaN(bytes) ? undefined : bytes;
}
