import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where control groups of either version are, and how the limit is called there (cgroups(7)). */
const VERSIONS = [
  { root: '/sys/fs/cgroup', limit: 'memory.max' },
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes' },
] as const;

/** A control group with a limit on memory, as a container has one. */
export interface MemoryGroup {
  /** The file that takes the process ids of its members. */
  readonly members: string;
  /** Removes it, once nobody lives in it. */
  remove(): void;
}

/** Makes such a group; undefined where only a container's engine may. */
export function memoryGroup(bytes: number): MemoryGroup | undefined {
  for (const { root, limit } of VERSIONS) {
    const folder = join(root, `hyperskeleton-${process.pid}`);
    const remove = (): void => {
      try {
        rmdirSync(folder);
      } catch {
        // A process that an activation left behind still lives in it, or it is gone.
      }
    };
    try {
      mkdirSync(folder);
      if (existsSync(join(folder, limit))) {
        writeFileSync(join(folder, limit), String(bytes));
        return { members: join(folder, 'cgroup.procs'), remove };
      }
    } catch {
      // Not root, or a system that shows its groups only to read.
    }
    remove();
  }
  return undefined;
}
