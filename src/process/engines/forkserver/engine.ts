import type { ActionImage, ExecEngine, ProcessObserver, StartOutcome, StartRequest } from '../engine.js';
import { CloneEngine } from './clone-engine.js';
import { type ContextParts, createContext } from './context.js';
import type { Built, Plan } from './set-up/build.js';
import type { Launcher } from './set-up/launch.js';
import { thisThread } from './this-thread.js';
import { Workbench } from './workbench.js';
import { Workshop } from './workshop.js';

/** What the engine is made with. */
export interface ForkserverOptions extends ContextParts {
  /** Whether a run waits for its template to be made, instead of leaving it to the next engine meanwhile. */
  readonly waitsForTemplate: boolean;
}

/**
 * Starts the action once, stops it before any code of its author has run, and clones it for each activation: no
 * execve, no loader, no C library's start. docs/engines.md has the whole story.
 */
export class ForkserverEngine implements ExecEngine {
  readonly name = 'forkserver';
  readonly #bench: Workbench;
  readonly #clones: CloneEngine;

  /** @throws Unsuitable when this machine has no such engine */
  constructor(options: ForkserverOptions) {
    const context = createContext(options, thisThread());
    this.#bench = new Workbench(context.arch, options);
    this.#clones = new CloneEngine(context, new Workshop(context, this.#bench), options.waitsForTemplate);
  }

  /** What starts its templates, for whoever makes one by hand. */
  get launcher(): Launcher {
    return this.#bench.launcher;
  }

  /** Makes the self-test, as {@link Workbench.examine}. */
  examine(): string {
    return this.#bench.examine();
  }

  /**
   * Makes a template process for another thread, which then looks after it; it stays a child of this one.
   *
   * @throws Unsuitable when none can be made of this action
   */
  build(plan: Plan): Built {
    return this.#bench.build(plan);
  }

  /** Has a template made for runs like this one, as soon as the thread has a moment. */
  prepare(request: StartRequest): void {
    this.#clones.prepare(request);
  }

  actionChanged(action: ActionImage): void {
    this.#clones.actionChanged(action);
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome | Promise<StartOutcome> {
    return this.#clones.start(request, observer);
  }

  close(): void {
    this.#clones.close();
    this.#bench.close();
  }
}
