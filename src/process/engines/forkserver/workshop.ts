import type { Variable } from '../../../contract/environment.js';
import { close } from '../../libc.js';
import type { ActionImage } from '../engine.js';
import { openSocketPair } from './channel.js';
import type { EngineContext } from './context.js';
import { startOf } from './identity.js';
import type { Place } from './place.js';
import { Unsuitable } from './refusal.js';
import { type Shape, widened } from './shape.js';
import { namesAgree, Shelf } from './shelf.js';
import { Template } from './template.js';
import type { TemplateSource } from './template-source.js';
import type { Workbench } from './workbench.js';

/** A template is made when no run began for so long; at the latest after so many looks. */
const QUIET_MS = 2;
const MOST_LOOKS = 25;
const FIRST_BACK_OFF_MS = 1000;
const LONGEST_BACK_OFF_MS = 60_000;

interface Wish {
  readonly action: ActionImage;
  readonly shape: Shape;
}

/** Makes templates, one at a time and when there is time for it, and keeps those for the last shapes of runs. */
export class Workshop implements TemplateSource {
  readonly #context: EngineContext;
  readonly #bench: Workbench;
  readonly #shelf = new Shelf();
  #wish: Wish | undefined;
  #timer: NodeJS.Timeout | undefined;
  #looks = 0;
  #lastRunMs = 0;
  /** What the last attempt failed with; undefined when it did not. */
  #failure:
    | { readonly reason: string; readonly action: ActionImage; readonly places: readonly Place[] }
    | undefined;
  #failures = 0;
  #notBeforeMs = 0;

  constructor(context: EngineContext, bench: Workbench) {
    this.#context = context;
    this.#bench = bench;
  }

  get current(): Template | undefined {
    return this.#shelf.current;
  }

  turnTo(variables: readonly Variable[]): boolean {
    return this.#shelf.turnTo(variables);
  }

  obstacle(action: ActionImage): string | undefined {
    const failedTest = this.#context.stats.selfTest?.reason ?? '';
    if (failedTest !== '') return failedTest;
    if (this.#failure === undefined) return undefined;
    const { reason, places } = this.#failure;
    const other = this.#failure.action !== action || !places.every((place) => place.unchanged());
    if (other) this.#forgive();
    else if (performance.now() < this.#notBeforeMs) return reason;
    return undefined;
  }

  noteRun(): void {
    this.#lastRunMs = performance.now();
  }

  wish(action: ActionImage, shape: Shape): void {
    const { action: current, shape: wished } = this.#wish ?? {};
    const same = wished !== undefined && current === action && namesAgree(wished, shape);
    this.#wish = { action, shape: same ? widened(wished, shape) : shape };
    this.#timer ??= setTimeout(() => this.#look(), QUIET_MS);
  }

  /** Makes one now: takes some milliseconds of this thread. */
  make(action: ActionImage, shape: Shape): Template | undefined {
    if (this.#shelf.hasWorn(shape)) this.#context.stats.add('templatesRenewed');
    this.#shelf.makeRoom(action, shape);
    this.#wish = undefined;
    const failedTest = this.#bench.examine();
    if (failedTest !== '') {
      this.#failed(action, new Unsuitable(failedTest));
      return undefined;
    }
    const pair = openSocketPair();
    if (pair === undefined) return undefined;
    const [ours, theirs] = pair;
    try {
      const built = this.#bench.build({ action, shape, socket: theirs });
      close(theirs);
      this.#failure = undefined;
      const template = new Template(this.#context, action, shape, built, ours, () => this.#died(template));
      this.#shelf.add(template);
      return template;
    } catch (error) {
      close(ours);
      close(theirs);
      this.#failed(action, error);
      return undefined;
    }
  }

  drop(): void {
    this.#shelf.clear();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.drop();
  }

  #look(): void {
    this.#timer = undefined;
    const wish = this.#wish;
    if (wish === undefined) return;
    const quiet = performance.now() - this.#lastRunMs >= QUIET_MS;
    if (!quiet && ++this.#looks < MOST_LOOKS) {
      this.#timer = setTimeout(() => this.#look(), QUIET_MS);
      return;
    }
    this.#looks = 0;
    if (this.obstacle(wish.action) === undefined) this.make(wish.action, wish.shape);
    this.#wish = undefined;
  }

  #died(template: Template): void {
    this.#context.stats.add('templatesDied');
    this.#shelf.remove(template);
    // One that never served may be one of many.
    if (template.hasServed) this.#failures = 0;
    this.#backOff();
    this.#failure = { reason: 'the template died', action: template.action, places: [] };
  }

  #failed(action: ActionImage, error: unknown): void {
    this.#context.stats.add('templatesFailed');
    const reason = error instanceof Error ? error.message : String(error);
    this.#backOff();
    this.#failure = { reason, action, places: startOf(action.exec, action.folder) };
  }

  #backOff(): void {
    const delayMs = Math.min(FIRST_BACK_OFF_MS * 2 ** this.#failures, LONGEST_BACK_OFF_MS);
    this.#failures++;
    this.#notBeforeMs = performance.now() + delayMs;
  }

  #forgive(): void {
    this.#failure = undefined;
    this.#failures = 0;
  }
}
