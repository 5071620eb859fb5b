import { ActionState } from '../action/state.js';
import type { Admission } from '../admission/admission.js';
import type { Config } from '../config/load.js';
import type { ServerLog } from '../logs/server-log.js';
import type { Recorder } from '../metrics/recorder.js';
import type { WorkerPool } from '../pool/worker-pool.js';

/** What the routes share: the parts of the server, and whether it still takes work. */
export class Service {
  /** Set by the first SIGTERM: requests from now on are refused (D-16). */
  draining = false;
  /** Whether a worker serves. */
  ready = false;
  readonly action: ActionState;
  /** Inits under way; activations are counted by the admission. */
  #inits = 0;
  #initsIdle: (() => void) | undefined;

  constructor(
    readonly config: Config,
    readonly admission: Admission,
    readonly pool: WorkerPool,
    readonly metrics: Recorder,
    readonly log: ServerLog,
  ) {
    this.action = new ActionState(config.allowReinit);
  }

  /** An init begins. */
  begin(): void {
    this.#inits++;
  }

  /** An init is answered. */
  end(): void {
    if (--this.#inits === 0) this.#initsIdle?.();
  }

  /** Has the sentinels written that a lost worker could not write; a failure of that is logged only. */
  async oweSentinels(): Promise<void> {
    try {
      await this.pool.writeSentinels();
    } catch (error) {
      this.log.fault('sentinels could not be written', error);
    }
  }

  /** Resolves when every request that was taken is answered. */
  async whenIdle(): Promise<void> {
    await this.admission.whenIdle();
    if (this.#inits > 0) {
      await new Promise<void>((resolve) => {
        this.#initsIdle = resolve;
      });
      await this.whenIdle();
    }
  }
}
