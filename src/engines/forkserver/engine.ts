import type { ActionImage } from '../../os/action-image.js';
import type { ProcessObserver } from '../../os/running-process.js';
import type { ExecEngine, StartOutcome, StartRequest } from '../engine.js';
import type { BuiltTemplate, TemplatePlan } from './build/build-template.js';
import type { Launcher } from './build/launch.js';
import { threadProcPath } from './build/thread-proc-path.js';
import { CloneEngine } from './clone-engine.js';
import { createContext, type ForkserverContextParts } from './ipc/context.js';
import { TemplateBuilder } from './templates/builder.js';
import { LocalTemplateManager } from './templates/local-manager.js';

/** What the engine is made with. */
export interface ForkserverOptions extends ForkserverContextParts {
  /** Whether a run waits for its template to be made, instead of leaving it to the next engine meanwhile. */
  readonly waitsForTemplate: boolean;
}

/**
 * Starts the action once, stops it before any code of its author has run, and clones it for each activation: no
 * execve, no loader, no C library's start. docs/internals/engines.md has the whole story.
 */
export class ForkserverEngine implements ExecEngine {
  readonly name = 'forkserver';
  readonly #builder: TemplateBuilder;
  readonly #clones: CloneEngine;

  /** @throws UnsupportedError when this machine has no such engine */
  constructor(options: ForkserverOptions) {
    const context = createContext(options, threadProcPath());
    this.#builder = new TemplateBuilder(context.arch, options);
    this.#clones = new CloneEngine(
      context,
      new LocalTemplateManager(context, this.#builder),
      options.waitsForTemplate,
    );
  }

  /** What starts its templates, for whoever makes one by hand. */
  get launcher(): Launcher {
    return this.#builder.launcher;
  }

  /** Makes the self-test, as {@link TemplateBuilder.selfTest}. */
  selfTest(): string {
    return this.#builder.selfTest();
  }

  /**
   * Makes a template process for another thread, which then looks after it; it stays a child of this one.
   *
   * @throws UnsupportedError when none can be made of this action
   */
  build(plan: TemplatePlan): BuiltTemplate {
    return this.#builder.build(plan);
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
    this.#builder.close();
  }
}
