import { asServer, type FileScope } from '../../acting-as.js';
import type { Arch } from './arch/arch.js';
import type { ContextParts } from './context.js';
import { explain } from './explain.js';
import { Place } from './place.js';
import { TooSlow } from './refusal.js';
import { selfTest } from './self-test.js';
import { type Built, buildTemplate, LONGEST_START_MS, type Plan } from './set-up/build.js';
import { Launcher } from './set-up/launch.js';
import type { StatsWriter } from './stats.js';

const START_LIMIT_MS = 1000;
/** After a self-test that failed: what was in its way, as a want of descriptors, may be over. */
const FIRST_RETEST_MS = 10_000;
const MAX_RETEST_MS = 3_600_000;
const MAX_SLOW_STARTS = 2;

/** What a thread makes template processes with. They are its children. */
export class Workbench {
  /** What starts them, for whoever makes one by hand. */
  readonly launcher: Launcher;
  readonly #arch: Arch;
  readonly #stats: StatsWriter;
  readonly #scope: FileScope;
  readonly #startLimitMs: number;
  #retestMs = FIRST_RETEST_MS;
  #retestAtMs: number | undefined;
  /** The executable whose start took too long, and how often it did. */
  #slow: { readonly exec: Place; readonly times: number } | undefined;

  /** @throws Unsuitable where there are no files in memory */
  constructor(arch: Arch, parts: ContextParts) {
    const { ledger, limit, stats, rights, scope = asServer, startLimitMs = START_LIMIT_MS } = parts;
    this.launcher = new Launcher(arch, ledger, limit, rights);
    this.#scope = scope;
    this.#arch = arch;
    this.#stats = stats;
    this.#startLimitMs = startLimitMs;
  }

  /** Whether the self-test has failed, and it is too early for another one. */
  get hasFailedTest(): boolean {
    if ((this.#stats.selfTest?.reason ?? '') === '') return false;
    this.#retestAtMs ??= performance.now() + this.#retestMs;
    return performance.now() < this.#retestAtMs;
  }

  /**
   * Makes the self-test, unless a worker of this server has made it; one that failed is made again after a while. Takes
   * some milliseconds; without this it is made before the first template.
   *
   * @returns why the engine can't be used here; empty when it can
   */
  examine(): string {
    const stats = this.#stats;
    const isKnown = stats.selfTest?.reason === '' || this.hasFailedTest;
    if (!isKnown) {
      try {
        this.#scope(() => selfTest(this.launcher));
        stats.noteSelfTest('');
      } catch (error) {
        // Another attempt may do; nothing is known of this machine yet.
        if (error instanceof TooSlow) return error.message;
        stats.noteSelfTest(explain(error));
        this.#retestAtMs = performance.now() + this.#retestMs;
        this.#retestMs = Math.min(this.#retestMs * 2, MAX_RETEST_MS);
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
    const { exec } = plan.action;
    const slow = this.#slow?.exec.path === exec && this.#slow.exec.unchanged() ? this.#slow : undefined;
    const limited = { ...plan, ...this.#limits(slow?.times ?? 0) };
    // Only who has the rights of a process may look into it (ptrace(2)).
    const built = this.#scope(() => buildTemplate(this.launcher, this.#arch, limited));
    this.#slow =
      built.notYet === 'slow' ? { exec: slow?.exec ?? new Place(exec), times: (slow?.times ?? 0) + 1 } : slow;
    this.#stats.built(performance.now() - begunMs);
    return built;
  }

  /** The first start may take a second, the second one longer; a third is not waited for. */
  #limits(slowStarts: number): Pick<Plan, 'startLimitMs' | 'notLater'> {
    if (slowStarts === 0) return { startLimitMs: this.#startLimitMs };
    if (slowStarts < MAX_SLOW_STARTS) return {};
    return { notLater: `its start takes more than ${LONGEST_START_MS / 1000} seconds` };
  }

  close(): void {
    this.launcher.close();
  }
}
