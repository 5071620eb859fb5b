import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The files of a memory controller, by the version of control groups. */
const CONTROLLERS = [
  { root: '/sys/fs/cgroup', limit: 'memory.max', events: 'memory.events' },
  { root: '/sys/fs/cgroup/memory', limit: 'memory.limit_in_bytes', events: 'memory.oom_control' },
] as const;

/** A control group with a memory limit, as a container has one (cgroups(7)). */
export class MemoryGroup {
  readonly #path: string;
  readonly #events: string;

  private constructor(path: string, events: string) {
    this.#path = path;
    this.#events = events;
  }

  /** @returns undefined if this user can't make one, or the kernel has no memory controller */
  static create(limitBytes: number): MemoryGroup | undefined {
    for (const { root, limit, events } of CONTROLLERS) {
      const path = join(root, `hyperskeleton-test-${process.pid}-${Date.now()}`);
      try {
        mkdirSync(path);
      } catch {
        continue;
      }
      try {
        if (!existsSync(join(path, limit))) throw new Error('no memory controller');
        writeFileSync(join(path, limit), String(limitBytes));
        return new MemoryGroup(path, events);
      } catch {
        rmdirSync(path);
      }
    }
    return undefined;
  }

  /** Shell text for {@link ServerOptions.launcher}: moves the server into the group before it starts. */
  get launcher(): string {
    return `echo $$ > ${this.#path}/cgroup.procs; exec "$@"`;
  }

  /** How many processes of the group the kernel has killed because it had no memory left. */
  get killed(): number {
    const events = readFileSync(join(this.#path, this.#events), 'utf8');
    return Number(/^oom_kill (\d+)$/m.exec(events)?.[1]);
  }

  /** @throws Error while processes are in it */
  remove(): void {
    rmdirSync(this.#path);
  }
}
