import { asServer, type FileScope } from '../../acting-as.js';
import type { Arch } from './arch/arch.js';
import type { ContextParts } from './context.js';
import { explain } from './explain.js';
import { TooSlow } from './refusal.js';
import { selfTest } from './self-test.js';
import { type Built, buildTemplate, type Plan } from './set-up/build.js';
import { Launcher } from './set-up/launch.js';
import type { StatsWriter } from './stats.js';

/** What a thread makes template processes with. They are its children. */
export class Workbench {
  /** What starts them, for whoever makes one by hand. */
  readonly launcher: Launcher;
  readonly #arch: Arch;
  readonly #stats: StatsWriter;
  readonly #scope: FileScope;

  /** @throws Unsuitable where there are no files in memory */
  constructor(arch: Arch, { ledger, limit, stats, rights, scope = asServer }: ContextParts) {
    this.launcher = new Launcher(arch, ledger, limit, rights);
    this.#scope = scope;
    this.#arch = arch;
    this.#stats = stats;
  }

  /**
   * Makes the self-test, unless a worker of this server has made it. Takes some milliseconds; without this it is made
   * before the first template.
   *
   * @returns why the engine can't be used here; empty when it can
   */
  examine(): string {
    const stats = this.#stats;
    if (stats.selfTest === undefined) {
      try {
        this.#scope(() => selfTest(this.launcher));
        stats.noteSelfTest('');
      } catch (error) {
        // Another attempt may do; nothing is known of this machine yet.
        if (error instanceof TooSlow) return error.message;
        stats.noteSelfTest(explain(error));
      }
    }
    return stats.selfTest?.reason ?? '';
  }

  /**
   * Makes a template process: takes some milliseconds of the calling thread.
   *
   * @throws Unsuitable when none can be made of this action
   */
  build(plan: Plan): Built {
    const begunMs = performance.now();
    // Only who has the rights of a process may look into it (ptrace(2)).
    const built = this.#scope(() => buildTemplate(this.launcher, this.#arch, plan));
    this.#stats.built(performance.now() - begunMs);
    return built;
  }

  close(): void {
    this.launcher.close();
  }
}
