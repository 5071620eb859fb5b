import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readIfThere } from './read-if-there.js';

/** Where one version of control groups accounts for something (cgroups(7)). */
interface Accounting {
  /** Where its tree is mounted. */
  readonly root: string;
  /** Finds the name of this process's group in `/proc/self/cgroup`. */
  readonly line: RegExp;
}

/** The one tree of version 2. */
export const VERSION_2: Accounting = { root: '/sys/fs/cgroup', line: /^0::(\/.*)$/m };

/** The tree of a controller of version 1. */
export function version1(controller: string): Accounting {
  return {
    root: `/sys/fs/cgroup/${controller}`,
    line: new RegExp(`^\\d+:(?:[^:]*,)?${controller}(?:,[^:]*)?:(/.*)$`, 'm'),
  };
}

/** The groups of this process; empty where the kernel does not tell. */
export function ownGroups(): string {
  return readIfThere('/proc/self/cgroup') ?? '';
}

/**
 * The folder of this container: its group as /proc names it, or, where the container sees only itself, the root of the
 * mount.
 *
 * @param file must be in it
 * @param groups {@link ownGroups}
 * @returns undefined where there is no such group
 */
export function groupFolder({ root, line }: Accounting, file: string, groups: string): string | undefined {
  const named = line.exec(groups)?.[1];
  if (named === undefined) return undefined;
  return [join(root, named), root].find((folder) => existsSync(join(folder, file)));
}
