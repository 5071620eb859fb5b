import type { ActionImage } from '../../../os/action-image.js';
import { close } from '../../../os/libc.js';
import type { Variable } from '../../../protocol/environment.js';
import type { RefusalReason } from '../../errors.js';
import type { BuiltTemplate } from '../build/build-template.js';
import { TemplateDependencies, type TemplateDependenciesSnapshot } from '../build/dependencies.js';
import type { StringLayout } from '../build/string-layout.js';
import { openSocketPair } from '../ipc/channel.js';
import type { ForkserverContext } from '../ipc/context.js';
import { TemplateBackoff } from './backoff.js';
import { TemplateCache } from './cache.js';
import type { TemplateManager } from './manager.js';
import { Template } from './template.js';

/** A template is requested when the workers are idle, at the latest after this many polls. */
const POLL_INTERVAL_MS = 2;
const MAX_POLLS = 25;

/**
 * Has a worker make a template of an action.
 *
 * @param socket what becomes its socket
 */
type RequestTemplate = (action: ActionImage, layout: StringLayout, socket: number) => Promise<TemplateAnswer>;

/**
 * Templates that a worker makes: the main thread must not wait while a program is loaded, and its own children are to be
 * only what actions leave behind. The sockets are this thread's, and with them the templates' lives.
 */
export class RemoteTemplateManager implements TemplateManager {
  readonly #context: ForkserverContext;
  readonly #requestTemplate: RequestTemplate;
  readonly #areWorkersIdle: () => boolean;
  readonly #cache = new TemplateCache();
  #requested: ActionImage | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #backoff = new TemplateBackoff();
  #closed = false;

  /** @param areWorkersIdle whether no worker has anything to do: what comes to one that makes a template waits for that */
  constructor(context: ForkserverContext, requestTemplate: RequestTemplate, areWorkersIdle: () => boolean) {
    this.#context = context;
    this.#requestTemplate = requestTemplate;
    this.#areWorkersIdle = areWorkersIdle;
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
    return this.#backoff.reasonAgainst(action);
  }

  recordStart(): void {
    // Runs of this thread are not in a worker's way.
  }

  request(action: ActionImage, layout: StringLayout): void {
    if (this.#requested !== undefined || this.#closed || this.unavailableReason(action) !== undefined) return;
    this.#requested = action;
    this.#scheduleRequest(action, layout, MAX_POLLS);
  }

  build(): undefined {
    return undefined;
  }

  disable(template: Template): void {
    this.#cache.clear();
    this.#backoff.recordFaults(template);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#requested = undefined;
    this.#backoff.resetFailures();
    this.#cache.clear();
  }

  close(): void {
    this.#closed = true;
    this.clear();
  }

  /** Not at once: the very run that it is wished for may be on its way to the worker. */
  #scheduleRequest(action: ActionImage, layout: StringLayout, polls: number): void {
    this.#timer = setTimeout(() => {
      if (polls > 1 && !this.#areWorkersIdle()) {
        this.#scheduleRequest(action, layout, polls - 1);
        return;
      }
      this.#request(action, layout).catch(() => this.#onBuildFailed(action));
    }, POLL_INTERVAL_MS);
  }

  async #request(action: ActionImage, layout: StringLayout): Promise<void> {
    const pair = openSocketPair();
    if (pair === undefined) {
      this.#onBuildFailed(action);
      return;
    }
    const [ours, theirs] = pair;
    let made: TemplateAnswer;
    try {
      made = await this.#requestTemplate(action, layout, theirs);
    } catch (error) {
      // Whatever was started ends with its socket.
      close(ours);
      throw error;
    } finally {
      close(theirs);
    }
    if ('reason' in made) {
      close(ours);
      this.#onBuildFailed(action);
      return;
    }
    this.#context.reaper.parent = made.parent;
    const wanted = this.#requested === action && !this.#closed;
    if (this.#cache.isExpired(layout)) this.#context.stats.add('templatesRenewed');
    const built = { pid: made.pid, dependencies: TemplateDependencies.fromSnapshot(made.dependencies) };
    const retryAfterMs = this.#backoff.recordBuild(made);
    const parts = { action, layout, built, socket: ours, retryAfterMs };
    const template = new Template(this.#context, parts, () => this.#onTemplateDied(template));
    if (!wanted) {
      template.retire();
      return;
    }
    this.#requested = undefined;
    this.#cache.evictFor(action, layout);
    this.#cache.add(template);
  }

  #onTemplateDied(template: Template): void {
    this.#context.stats.add('templatesDied');
    this.#cache.remove(template);
    this.#backoff.recordDeath(template);
  }

  #onBuildFailed(action: ActionImage): void {
    this.#requested = undefined;
    this.#backoff.recordFailure(action, () => true);
  }
}

/** A template process that runs, or why there is none. */
export type TemplateAnswer =
  | (Pick<BuiltTemplate, 'pid' | 'retryReason'> & {
      readonly dependencies: TemplateDependenciesSnapshot;
      readonly parent: string;
    })
  | { readonly reason: string };
