import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Where control groups of either version are, and how the limit is called there (cgroups(7)). */
const VERSIONS = [
  { root: '/sys/fs/cgroup', limit: 'memory.max', events: 'memory.events' },
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', events: 'memory.oom_control' },
] as const;

/** A control group with a limit on memory, as a container has one. */
export interface MemoryGroup {
  /** The file that takes the process ids of its members. */
  readonly members: string;
  /** How many of them the kernel has killed because the group had no memory left. */
  killed(): number;
  /** Removes it. @returns false while a process lives in it */
  remove(): boolean;
}

/** Makes such a group; undefined where only a container's engine may. */
export function memoryGroup(bytes: number): MemoryGroup | undefined {
  for (const { root, limit, events } of VERSIONS) {
    const folder = join(root, `hyperskeleton-${process.pid}`);
    const remove = (): boolean => {
      try {
        rmdirSync(folder);
      } catch {
        // A process that an activation left behind still lives in it, or it is gone.
      }
      return !existsSync(folder);
    };
    const killed = (): number => {
      const text = readFileSync(join(folder, events), 'latin1');
      return Number(/^oom_kill (\d+)$/m.exec(text)?.[1]);
    };
    try {
      mkdirSync(folder);
      if (existsSync(join(folder, limit))) {
        writeFileSync(join(folder, limit), String(bytes));
        return { members: join(folder, 'cgroup.procs'), killed, remove };
      }
    } catch {
      // Not root, or a system that shows its groups only to read.
    }
    remove();
  }
  return undefined;
}
