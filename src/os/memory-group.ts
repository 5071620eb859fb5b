import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { groupFolder, ownGroups, VERSION_2, version1 } from './control-group.js';
import { readIfThere } from './read-if-there.js';

/** Where memory is accounted, and under which names (cgroups(7), the kernel's cgroup-v2.rst and memory.rst). */
const VERSIONS = [
  {
    accounting: VERSION_2,
    limit: 'memory.max',
    used: 'memory.current',
    cached: /^(?:active_file|inactive_file|slab_reclaimable) (\d+)$/gm,
    events: 'memory.events',
  },
  {
    accounting: version1('memory'),
    limit: 'memory.limit_in_bytes',
    used: 'memory.usage_in_bytes',
    cached: /^total_(?:active|inactive)_file (\d+)$/gm,
    events: 'memory.oom_control',
  },
] as const;

/** Version 1 has no word for no limit: it is the largest number of whole pages. */
const NO_LIMIT_BYTES = 2 ** 60;

/**
 * The control group that limits the memory of this process: the one with the least limit of its own group and all
 * around that, or its own where none has a limit.
 */
export class MemoryGroup {
  readonly #folder: string;
  readonly #version: (typeof VERSIONS)[number];
  readonly #ownFolder: string;

  private constructor(folder: string, own: string, version: (typeof VERSIONS)[number]) {
    this.#folder = folder;
    this.#ownFolder = own;
    this.#version = version;
  }

  /**
   * @param groups text of `/proc/self/cgroup`
   * @param mounted the folder in which the trees of control groups are looked for
   * @returns undefined where nothing accounts for memory
   */
  static find(groups = ownGroups(), mounted = '/'): MemoryGroup | undefined {
    for (const version of VERSIONS) {
      const root = join(mounted, version.accounting.root);
      const own = groupFolder({ ...version.accounting, root }, version.used, groups);
      if (own === undefined) continue;
      let least = new MemoryGroup(own, own, version);
      for (let folder = dirname(own); folder.startsWith(root); folder = dirname(folder)) {
        const group = new MemoryGroup(folder, own, version);
        if ((group.limitBytes ?? Infinity) < (least.limitBytes ?? Infinity)) least = group;
      }
      return least;
    }
    return undefined;
  }

  /** Undefined for no limit. */
  get limitBytes(): number | undefined {
    const bytes = this.#bytesIn(this.#version.limit);
    return bytes === undefined || bytes >= NO_LIMIT_BYTES ? undefined : bytes;
  }

  /** What all its processes use, cached files included. */
  get usedBytes(): number | undefined {
    return this.#bytesIn(this.#version.used);
  }

  /** As {@link usedBytes}, without the cached files, which the kernel gives back before it kills a process. */
  get unreclaimableBytes(): number | undefined {
    const used = this.usedBytes;
    if (used === undefined) return undefined;
    const statistics = this.#read('memory.stat') ?? '';
    const cached = [...statistics.matchAll(this.#version.cached)];
    return cached.reduce((left, [, bytes]) => left - Number(bytes), used);
  }

  /** How many processes of this process's own group the kernel has killed for lack of memory. */
  get oomKills(): number | undefined {
    const text = readIfThere(join(this.#ownFolder, this.#version.events));
    const count = /^oom_kill (\d+)$/m.exec(text ?? '')?.[1];
    return count === undefined ? undefined : Number(count);
  }

  #bytesIn(file: string): number | undefined {
    const bytes = Number.parseInt(this.#read(file) ?? '', 10);
    return Number.isNaN(bytes) ? undefined : bytes;
  }

  #read(file: string): string | undefined {
    return readIfThere(join(this.#folder, file));
  }
}

/** The memory that this process may use at most: the limit of its control group, or what the machine has. */
export function memoryLimitBytes(group: MemoryGroup | undefined): number {
  return Math.min(totalmem(), group?.limitBytes ?? Infinity);
}
