import type { ActionImage } from '../engine.js';
import type { Refusal } from './refusal.js';
import type { Built } from './set-up/build.js';
import type { Template } from './template.js';

const FIRST_BACK_OFF_MS = 1000;
const MAX_BACK_OFF_MS = 60_000;
/** After clones that ended by faults: each attempt costs runs. */
const FIRST_BACK_OFF_OF_FAULTS_MS = 60_000;
const MAX_BACK_OFF_OF_FAULTS_MS = 3_600_000;
/** A template that could have stood later, had the machine been quieter or the files, is made anew after this. */
const FIRST_RETRY_MS = 1000;
const MAX_RETRY_MS = 10_000;

interface Setback {
  readonly refusal: Refusal;
  readonly action: ActionImage;
  /** Whether the files are still those that it came from. */
  readonly unchanged: () => boolean;
  readonly untilMs: number;
}

/** Why no template of an action is made for a while: attempts that failed, templates that died, clones that did. */
export class Setbacks {
  #setback: Setback | undefined;
  #failures = 0;
  #givenUp = 0;
  #retries = 0;

  /** What speaks against a template of this action now. Another action, or other files, are another matter. */
  against(action: ActionImage): Refusal | undefined {
    const setback = this.#setback;
    if (setback === undefined) return undefined;
    if (setback.action !== action || !setback.unchanged()) {
      this.#setback = undefined;
      this.#failures = 0;
      this.#givenUp = 0;
      return undefined;
    }
    return performance.now() < setback.untilMs ? setback.refusal : undefined;
  }

  /** No template could be made. */
  failed(action: ActionImage, unchanged: () => boolean): void {
    this.#backOff(action, unchanged);
  }

  /** A template ended by itself. */
  died(template: Template): void {
    // One that never served may be one of many.
    if (template.hasServed) this.#failures = 0;
    this.#backOff(template.action, () => true);
  }

  /** The clones of a template end by faults. */
  gaveUp(template: Template): void {
    if (template.hasRunWell) this.#givenUp = 0;
    const delayMs = FIRST_BACK_OFF_OF_FAULTS_MS * 4 ** this.#givenUp++;
    this.#setback = {
      refusal: 'given_up',
      action: template.action,
      unchanged: () => template.built.identity.unchanged(),
      untilMs: performance.now() + Math.min(delayMs, MAX_BACK_OFF_OF_FAULTS_MS),
    };
  }

  /**
   * A template was made.
   *
   * @returns after so many milliseconds it is to be made anew; undefined where there is no need
   */
  made({ notYet }: Pick<Built, 'notYet'>): number | undefined {
    this.#setback = undefined;
    if (notYet === undefined) {
      this.#retries = 0;
      return undefined;
    }
    return Math.min(FIRST_RETRY_MS * 2 ** this.#retries++, MAX_RETRY_MS);
  }

  /** What failed may do by now. */
  forgiveFailures(): void {
    this.#failures = 0;
    if (this.#setback?.refusal === 'unsuitable') this.#setback = undefined;
  }

  #backOff(action: ActionImage, unchanged: () => boolean): void {
    const delayMs = Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures++, MAX_BACK_OFF_MS);
    this.#setback = { refusal: 'unsuitable', action, unchanged, untilMs: performance.now() + delayMs };
  }
}
