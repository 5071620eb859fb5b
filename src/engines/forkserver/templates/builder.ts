import { asServerUser, type FileScope } from '../../../os/file-scope.js';
import { BuildTimeoutError } from '../../errors.js';
import type { Arch } from '../arch/arch.js';
import {
  type BuiltTemplate,
  buildTemplate,
  MAX_START_MS,
  type TemplatePlan,
} from '../build/build-template.js';
import { FileFingerprint } from '../build/file-fingerprint.js';
import { Launcher } from '../build/launch.js';
import type { ForkserverContextParts } from '../ipc/context.js';
import type { StatsWriter } from '../ipc/stats.js';
import { explainUnavailability } from './explain-unavailability.js';
import { runSelfTest } from './self-test.js';

const DEFAULT_MAX_START_MS = 1000;
/** After a self-test that failed: what was in its way, as a want of descriptors, may be over. */
const FIRST_RETEST_MS = 10_000;
const MAX_RETEST_MS = 3_600_000;
const MAX_SLOW_STARTS = 2;

/** Builds template processes, which are children of the calling thread. */
export class TemplateBuilder {
  /** What starts them, for whoever makes one by hand. */
  readonly launcher: Launcher;
  readonly #arch: Arch;
  readonly #stats: StatsWriter;
  readonly #scope: FileScope;
  readonly #maxStartMs: number;
  #retestMs = FIRST_RETEST_MS;
  #retestAtMs: number | undefined;
  /** The executable whose start took too long, and how often it did. */
  #slowStart: { readonly exec: FileFingerprint; readonly times: number } | undefined;

  /** @throws UnsupportedError where there are no files in memory */
  constructor(arch: Arch, parts: ForkserverContextParts) {
    const {
      resourceTable,
      nofileLimit,
      stats,
      rights,
      scope = asServerUser,
      maxStartMs = DEFAULT_MAX_START_MS,
    } = parts;
    this.launcher = new Launcher(arch, resourceTable, nofileLimit, rights);
    this.#scope = scope;
    this.#arch = arch;
    this.#stats = stats;
    this.#maxStartMs = maxStartMs;
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
  selfTest(): string {
    const stats = this.#stats;
    const isKnown = stats.selfTest?.reason === '' || this.hasFailedTest;
    if (!isKnown) {
      try {
        this.#scope(() => runSelfTest(this.launcher));
        stats.recordSelfTest('');
      } catch (error) {
        // Another attempt may do; nothing is known of this machine yet.
        if (error instanceof BuildTimeoutError) return error.message;
        stats.recordSelfTest(explainUnavailability(error));
        this.#retestAtMs = performance.now() + this.#retestMs;
        this.#retestMs = Math.min(this.#retestMs * 2, MAX_RETEST_MS);
      }
    }
    return stats.selfTest?.reason ?? '';
  }

  /**
   * Makes a template process: takes some milliseconds of the calling thread.
   *
   * @throws UnsupportedError when none can be made of this action
   */
  build(plan: TemplatePlan): BuiltTemplate {
    const begunMs = performance.now();
    const { exec } = plan.action;
    const slow =
      this.#slowStart?.exec.path === exec && this.#slowStart.exec.isUnchanged() ? this.#slowStart : undefined;
    const limited = { ...plan, ...this.#buildLimits(slow?.times ?? 0) };
    // Only who has the rights of a process may look into it (ptrace(2)).
    const built = this.#scope(() => buildTemplate(this.launcher, this.#arch, limited));
    this.#slowStart =
      built.retryReason === 'slow'
        ? { exec: slow?.exec ?? new FileFingerprint(exec), times: (slow?.times ?? 0) + 1 }
        : slow;
    this.#stats.recordBuild(performance.now() - begunMs);
    return built;
  }

  /** The first start may take a second, the second one longer; a third is not waited for. */
  #buildLimits(slowStarts: number): Pick<TemplatePlan, 'maxStartMs' | 'freezePointReason'> {
    if (slowStarts === 0) return { maxStartMs: this.#maxStartMs };
    if (slowStarts < MAX_SLOW_STARTS) return {};
    return { freezePointReason: `its start takes more than ${MAX_START_MS / 1000} seconds` };
  }

  close(): void {
    this.launcher.close();
  }
}
