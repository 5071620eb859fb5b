import type { ActionImage } from '../../os/action-image.js';
import type { ProcessObserver } from '../../os/running-process.js';
import { messageOf } from '../../protocol/message-of.js';
import type { ExecEngine, StartOutcome, StartRequest } from '../engine.js';
import type { BuiltTemplate, TemplatePlan } from './build/build-template.js';
import type { ForkserverEngine, ForkserverOptions } from './engine.js';
import type { StatsWriter } from './ipc/stats.js';

/** When the first run has begun, and most likely ended. */
const LOAD_AFTER_MS = 100;

/**
 * The fork server, loaded once there was a run: it could not take the first one anyway, and a cold start goes without
 * its code.
 */
export class LazyForkserver implements ExecEngine {
  readonly name = 'forkserver';
  readonly #options: ForkserverOptions;
  readonly #stats: StatsWriter;
  #engine: ForkserverEngine | undefined;
  #loading = false;
  #closed = false;

  constructor(options: ForkserverOptions) {
    this.#options = options;
    this.#stats = options.stats;
  }

  actionChanged(action: ActionImage): void {
    this.#engine?.actionChanged(action);
  }

  start(request: StartRequest, observer: ProcessObserver): StartOutcome | Promise<StartOutcome> {
    if (this.#engine !== undefined) return this.#engine.start(request, observer);
    if (!this.#loading) {
      this.#loading = true;
      setTimeout(() => this.#load(request), LOAD_AFTER_MS);
    }
    this.#stats.recordRefusal('no_template');
    return { kind: 'refused', reason: 'no_template' };
  }

  /** As {@link ForkserverEngine.build}. @throws Error where it is not loaded yet */
  build(plan: TemplatePlan): BuiltTemplate {
    if (this.#engine === undefined) throw new Error('the fork server is not loaded yet');
    return this.#engine.build(plan);
  }

  close(): void {
    this.#closed = true;
    this.#engine?.close();
  }

  #load(firstRun: StartRequest): void {
    import('./engine.js')
      .then(({ ForkserverEngine }) => {
        if (this.#closed) return;
        const engine = new ForkserverEngine(this.#options);
        engine.prepare(firstRun);
        this.#engine = engine;
      })
      .catch((error: unknown) => {
        this.#stats.recordSelfTest(messageOf(error));
      });
  }
}
