import type { Variable } from '../contract/environment.js';
import type { TemplateAnswer } from '../pool/messages.js';
import type { ActionImage } from '../process/engines/engine.js';
import { openSocketPair } from '../process/engines/forkserver/channel.js';
import type { EngineContext } from '../process/engines/forkserver/context.js';
import { Identity } from '../process/engines/forkserver/identity.js';
import type { Refusal } from '../process/engines/forkserver/refusal.js';
import { Setbacks } from '../process/engines/forkserver/setbacks.js';
import type { Shape } from '../process/engines/forkserver/shape.js';
import { Shelf } from '../process/engines/forkserver/shelf.js';
import { Template } from '../process/engines/forkserver/template.js';
import type { TemplateSource } from '../process/engines/forkserver/template-source.js';
import { close } from '../process/libc.js';

/** One is ordered when the workers have nothing to do; at the latest after so many looks. */
const LOOK_MS = 2;
const MOST_LOOKS = 25;

/**
 * Has a worker make a template of an action.
 *
 * @param socket what becomes its socket
 */
export type MakeTemplate = (action: ActionImage, shape: Shape, socket: number) => Promise<TemplateAnswer>;

/**
 * Templates that a worker makes: the main thread must not wait while a program is loaded, and its own children are to be
 * only what actions leave behind. The sockets are this thread's, and with them the templates' lives.
 */
export class OrderedTemplates implements TemplateSource {
  readonly #context: EngineContext;
  readonly #make: MakeTemplate;
  readonly #atRest: () => boolean;
  readonly #shelf = new Shelf();
  #ordered: ActionImage | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #setbacks = new Setbacks();
  #closed = false;

  /** @param atRest whether no worker has anything to do: what comes to one that makes a template waits for that */
  constructor(context: EngineContext, make: MakeTemplate, atRest: () => boolean) {
    this.#context = context;
    this.#make = make;
    this.#atRest = atRest;
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
    return this.#setbacks.against(action);
  }

  noteRun(): void {
    // Runs of this thread are not in a worker's way.
  }

  wish(action: ActionImage, shape: Shape): void {
    if (this.#ordered !== undefined || this.#closed || this.obstacle(action) !== undefined) return;
    this.#ordered = action;
    this.#orderSoon(action, shape, MOST_LOOKS);
  }

  make(): undefined {
    return undefined;
  }

  giveUp(template: Template): void {
    this.#shelf.clear();
    this.#setbacks.gaveUp(template);
  }

  drop(): void {
    clearTimeout(this.#timer);
    this.#ordered = undefined;
    this.#setbacks.forgiveFailures();
    this.#shelf.clear();
  }

  close(): void {
    this.#closed = true;
    this.drop();
  }

  /** Not at once: the very run that it is wished for may be on its way to the worker. */
  #orderSoon(action: ActionImage, shape: Shape, looks: number): void {
    this.#timer = setTimeout(() => {
      if (looks > 1 && !this.#atRest()) {
        this.#orderSoon(action, shape, looks - 1);
        return;
      }
      this.#order(action, shape).catch(() => this.#failed(action));
    }, LOOK_MS);
  }

  async #order(action: ActionImage, shape: Shape): Promise<void> {
    const pair = openSocketPair();
    if (pair === undefined) {
      this.#failed(action);
      return;
    }
    const [ours, theirs] = pair;
    let made: TemplateAnswer;
    try {
      made = await this.#make(action, shape, theirs);
    } catch (error) {
      // Whatever was started ends with its socket.
      close(ours);
      throw error;
    } finally {
      close(theirs);
    }
    if ('reason' in made) {
      close(ours);
      this.#failed(action);
      return;
    }
    this.#context.reaper.parent = made.parent;
    const wanted = this.#ordered === action && !this.#closed;
    if (this.#shelf.hasWorn(shape)) this.#context.stats.add('templatesRenewed');
    const built = { pid: made.pid, identity: Identity.of(made.identity) };
    const retryAfterMs = this.#setbacks.made(made);
    const parts = { action, shape, built, socket: ours, retryAfterMs };
    const template = new Template(this.#context, parts, () => this.#died(template));
    if (!wanted) {
      template.retire();
      return;
    }
    this.#ordered = undefined;
    this.#shelf.makeRoom(action, shape);
    this.#shelf.add(template);
  }

  #died(template: Template): void {
    this.#context.stats.add('templatesDied');
    this.#shelf.remove(template);
    this.#setbacks.died(template);
  }

  #failed(action: ActionImage): void {
    this.#ordered = undefined;
    this.#setbacks.failed(action, () => true);
  }
}
