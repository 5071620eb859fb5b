import type { Variable } from '../../../contract/environment.js';
import { close } from '../../libc.js';
import type { ActionImage } from '../engine.js';
import { openSocketPair } from './channel.js';
import type { EngineContext } from './context.js';
import { startOf } from './identity.js';
import type { Refusal } from './refusal.js';
import { Setbacks } from './setbacks.js';
import { type Shape, widened } from './shape.js';
import { namesAgree, Shelf } from './shelf.js';
import { Template } from './template.js';
import type { TemplateSource } from './template-source.js';
import type { Workbench } from './workbench.js';

/** A template is made when no run began for so long; at the latest after so many looks. */
const QUIET_MS = 2;
const MOST_LOOKS = 25;

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
  readonly #setbacks = new Setbacks();

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

  hasRoomFor(action: ActionImage, shape: Shape): boolean {
    return this.#shelf.hasRoomFor(action, shape);
  }

  obstacle(action: ActionImage): Refusal | undefined {
    return this.#bench.hasFailedTest ? 'unsuitable' : this.#setbacks.against(action);
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
      this.#failed(action);
      return undefined;
    }
    const pair = openSocketPair();
    if (pair === undefined) return undefined;
    const [ours, theirs] = pair;
    try {
      const built = this.#bench.build({ action, shape, socket: theirs });
      close(theirs);
      const retryAfterMs = this.#setbacks.made(built);
      const parts = { action, shape, built, socket: ours, retryAfterMs };
      const template = new Template(this.#context, parts, () => this.#died(template));
      this.#shelf.add(template);
      return template;
    } catch {
      close(ours);
      close(theirs);
      this.#failed(action);
      return undefined;
    }
  }

  giveUp(template: Template): void {
    this.#shelf.clear();
    this.#setbacks.gaveUp(template);
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
    this.#setbacks.died(template);
  }

  #failed(action: ActionImage): void {
    this.#context.stats.add('templatesFailed');
    const places = startOf(action.exec, action.folder);
    this.#setbacks.failed(action, () => places.every((place) => place.unchanged()));
  }
}
