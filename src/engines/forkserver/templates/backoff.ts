import type { ActionImage } from '../../../os/action-image.js';
import type { RefusalReason } from '../../errors.js';
import type { BuiltTemplate } from '../build/build-template.js';
import type { Template } from './template.js';

const MIN_BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
/** After clones that ended by faults: each attempt costs runs. */
const MIN_FAULT_BACK_OFF_MS = 60_000;
const MAX_FAULT_BACK_OFF_MS = 3_600_000;
/** A template that could have stood later, had the machine been quieter or the files, is made anew after this. */
const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 10_000;

interface BackoffState {
  readonly refusal: RefusalReason;
  readonly action: ActionImage;
  /** Whether the files are still those that it came from. */
  readonly isUnchanged: () => boolean;
  readonly untilMs: number;
}

/** Backoff of template builds after builds that failed, templates that died and clones that ended by faults. */
export class TemplateBackoff {
  #state: BackoffState | undefined;
  #failures = 0;
  #faultStops = 0;
  #retries = 0;

  /**
   * Why no template of this action is built now; undefined if one may be. Another action, or changed files, reset it.
   */
  reasonAgainst(action: ActionImage): RefusalReason | undefined {
    const state = this.#state;
    if (state === undefined) return undefined;
    if (state.action !== action || !state.isUnchanged()) {
      this.#state = undefined;
      this.#failures = 0;
      this.#faultStops = 0;
      return undefined;
    }
    return performance.now() < state.untilMs ? state.refusal : undefined;
  }

  /** No template could be made. */
  recordFailure(action: ActionImage, unchanged: () => boolean): void {
    this.#backOff(action, unchanged);
  }

  /** A template ended by itself. */
  recordDeath(template: Template): void {
    // One that never served may be one of many.
    if (template.hasServed) this.#failures = 0;
    this.#backOff(template.action, () => true);
  }

  /** The clones of a template end by faults. */
  recordFaults(template: Template): void {
    if (template.hasRunWell) this.#faultStops = 0;
    const delayMs = MIN_FAULT_BACK_OFF_MS * 4 ** this.#faultStops++;
    this.#state = {
      refusal: 'given_up',
      action: template.action,
      isUnchanged: () => template.built.dependencies.isUnchanged(),
      untilMs: performance.now() + Math.min(delayMs, MAX_FAULT_BACK_OFF_MS),
    };
  }

  /**
   * A template was made.
   *
   * @returns after so many milliseconds it is to be made anew; undefined where there is no need
   */
  recordBuild({ retryReason }: Pick<BuiltTemplate, 'retryReason'>): number | undefined {
    this.#state = undefined;
    if (retryReason === undefined) {
      this.#retries = 0;
      return undefined;
    }
    return Math.min(MIN_RETRY_MS * 2 ** this.#retries++, MAX_RETRY_MS);
  }

  /** What failed may do by now. */
  resetFailures(): void {
    this.#failures = 0;
    if (this.#state?.refusal === 'unsuitable') this.#state = undefined;
  }

  #backOff(action: ActionImage, isUnchanged: () => boolean): void {
    const delayMs = Math.min(MIN_BACK_OFF_MS * 2 ** this.#failures++, MAX_BACK_OFF_MS);
    this.#state = { refusal: 'unsuitable', action, isUnchanged, untilMs: performance.now() + delayMs };
  }
}
