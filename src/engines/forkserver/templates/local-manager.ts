import type { ActionImage } from '../../../os/action-image.js';
import { close } from '../../../os/libc.js';
import type { Variable } from '../../../protocol/environment.js';
import type { RefusalReason } from '../../errors.js';
import { executableChain } from '../build/dependencies.js';
import { layoutUnion, type StringLayout } from '../build/string-layout.js';
import { openSocketPair } from '../ipc/channel.js';
import type { ForkserverContext } from '../ipc/context.js';
import { TemplateBackoff } from './backoff.js';
import type { TemplateBuilder } from './builder.js';
import { haveSameNames, TemplateCache } from './cache.js';
import type { TemplateManager } from './manager.js';
import { Template } from './template.js';

/** A template is built when no run began for this long, at the latest after this many polls. */
const IDLE_MS = 2;
const MAX_POLLS = 25;

interface TemplateRequest {
  readonly action: ActionImage;
  readonly layout: StringLayout;
}

/** Builds templates on this thread, one at a time and while no run begins, and caches them by string layout. */
export class LocalTemplateManager implements TemplateManager {
  readonly #context: ForkserverContext;
  readonly #builder: TemplateBuilder;
  readonly #cache = new TemplateCache();
  #request: TemplateRequest | undefined;
  #timer: NodeJS.Timeout | undefined;
  #polls = 0;
  #lastRunMs = 0;
  readonly #backoff = new TemplateBackoff();

  constructor(context: ForkserverContext, builder: TemplateBuilder) {
    this.#context = context;
    this.#builder = builder;
  }

  get current(): Template | undefined {
    return this.#cache.current;
  }

  select(variables: readonly Variable[]): boolean {
    return this.#cache.select(variables);
  }

  hasCapacityFor(action: ActionImage, layout: StringLayout): boolean {
    return this.#cache.hasCapacityFor(action, layout);
  }

  unavailableReason(action: ActionImage): RefusalReason | undefined {
    return this.#builder.hasFailedTest ? 'unsuitable' : this.#backoff.reasonAgainst(action);
  }

  recordStart(): void {
    this.#lastRunMs = performance.now();
  }

  request(action: ActionImage, layout: StringLayout): void {
    const { action: current, layout: requested } = this.#request ?? {};
    const same = requested !== undefined && current === action && haveSameNames(requested, layout);
    this.#request = { action, layout: same ? layoutUnion(requested, layout) : layout };
    this.#timer ??= setTimeout(() => this.#poll(), IDLE_MS);
  }

  /** Makes one now: takes some milliseconds of this thread. */
  build(action: ActionImage, layout: StringLayout): Template | undefined {
    if (this.#cache.isExpired(layout)) this.#context.stats.add('templatesRenewed');
    this.#cache.evictFor(action, layout);
    this.#request = undefined;
    const failedTest = this.#builder.selfTest();
    if (failedTest !== '') {
      this.#onBuildFailed(action);
      return undefined;
    }
    const pair = openSocketPair();
    if (pair === undefined) return undefined;
    const [ours, theirs] = pair;
    try {
      const built = this.#builder.build({ action, layout, socket: theirs });
      close(theirs);
      const retryAfterMs = this.#backoff.recordBuild(built);
      const parts = { action, layout, built, socket: ours, retryAfterMs };
      const template = new Template(this.#context, parts, () => this.#onTemplateDied(template));
      this.#cache.add(template);
      return template;
    } catch {
      close(ours);
      close(theirs);
      this.#onBuildFailed(action);
      return undefined;
    }
  }

  disable(template: Template): void {
    this.#cache.clear();
    this.#backoff.recordFaults(template);
  }

  clear(): void {
    this.#cache.clear();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.clear();
  }

  #poll(): void {
    this.#timer = undefined;
    const request = this.#request;
    if (request === undefined) return;
    const quiet = performance.now() - this.#lastRunMs >= IDLE_MS;
    if (!quiet && ++this.#polls < MAX_POLLS) {
      this.#timer = setTimeout(() => this.#poll(), IDLE_MS);
      return;
    }
    this.#polls = 0;
    if (this.unavailableReason(request.action) === undefined) this.build(request.action, request.layout);
    this.#request = undefined;
  }

  #onTemplateDied(template: Template): void {
    this.#context.stats.add('templatesDied');
    this.#cache.remove(template);
    this.#backoff.recordDeath(template);
  }

  #onBuildFailed(action: ActionImage): void {
    this.#context.stats.add('templatesFailed');
    const places = executableChain(action.exec, action.folder);
    this.#backoff.recordFailure(action, () => places.every((place) => place.isUnchanged()));
  }
}
