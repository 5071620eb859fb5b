import type { LogStreams } from '../../activation/activation-log.js';
import { removeTree } from '../../os/file-scope.js';
import type { InitAnswer, RunAnswer } from '../../protocol/answer.js';
import type { ActionLoopImage } from '../../threads/messages.js';
import type { Executor, RunRequest } from '../executor.js';
import type { TimeLimit } from '../time-limit.js';
import { ActionLoopInit, type ActionLoopInitParts } from './init.js';

/** What the protocol is set up with. */
interface IsolatedExecutorParts extends ActionLoopInitParts {
  readonly logs: LogStreams;
  /** Called when no activation is left. */
  readonly close: () => void;
}

/** An action that has been initialised, and how many activations of it are under way. */
interface IsolatedAction {
  readonly image: ActionLoopImage;
  /** Whether its lines are numbered (C-AL-23). */
  readonly numbered: boolean;
  running: number;
  replaced: boolean;
}

/**
 * The ActionLoop protocol with a process for each activation: a clone of one that waits for its first line
 * (docs/guides/snapshots.md).
 */
export class IsolatedExecutor implements Executor {
  readonly initResponse = { type: 'application/json', body: '{"ok":true}\n' };
  readonly gauges = undefined;
  readonly #parts: IsolatedExecutorParts;
  readonly #init: ActionLoopInit;
  #action: IsolatedAction | undefined;

  constructor(parts: IsolatedExecutorParts) {
    this.#parts = parts;
    this.#init = new ActionLoopInit(parts);
  }

  async execute({ body }: RunRequest, time: TimeLimit | undefined): Promise<RunAnswer> {
    const action = this.#action;
    if (action === undefined) {
      await this.#init.writeSentinels();
      return { failure: { code: 'loop_no_action' }, stats: { logBytes: 0, argumentBytes: 0 } };
    }
    action.running++;
    try {
      const { image, numbered } = action;
      const remaining = time?.remaining();
      const answer = await this.#parts.pool.runIsolated(body, image, numbered, remaining);
      if (answer.failure?.code === 'loop_exited') this.#init.explain(image);
      return answer;
    } finally {
      action.running--;
      this.#removeUnused(action);
    }
  }

  init(body: Uint8Array): Promise<InitAnswer> {
    let started: IsolatedAction | undefined;
    return this.#init.init(
      body,
      async (image, initLeftMs) => {
        const { problem, numbered } = await this.#parts.pool.prepareIsolated(image, initLeftMs);
        started = { image, numbered, running: 0, replaced: false };
        return problem;
      },
      (_unused, isStarted) => {
        if (started === undefined) return;
        const before = isStarted ? this.#action : started;
        if (isStarted) this.#action = started;
        if (before === undefined) return;
        before.replaced = true;
        this.#removeUnused(before);
      },
      true,
    );
  }

  refuseInit(): Promise<InitAnswer> {
    return this.#init.refuse();
  }

  writeSentinels(): Promise<void> {
    return this.#init.writeSentinels();
  }

  killAll(): void {
    this.#parts.pool.killAll();
  }

  async stop(): Promise<void> {
    this.#parts.logs.stdout.close();
    this.#parts.logs.stderr.close();
    this.#parts.close();
  }

  #removeUnused(action: IsolatedAction): void {
    if (!action.replaced || action.running > 0) return;
    const { folder } = action.image;
    this.#parts.pool.forgetIsolated(folder);
    removeTree(folder, this.#parts.scope).catch(() => {
      // What can't be removed harms nobody: the next init takes the next number.
    });
  }
}
