import type { InitAnswer } from '../pool/messages.js';

/** What runs need to know of the action. */
export interface CurrentAction {
  /** Counts up with each init that succeeded. */
  readonly generation: number;
  /** The variables of the last init, as JSON text; empty for none. */
  readonly variables: string;
}

/**
 * Whether the action has been initialised, by what, and who has to wait for it. Inits are serial; only one
 * succeeds, unless further ones are allowed (C-INIT-20 to C-INIT-23, D-05).
 */
export class ActionState {
  current: CurrentAction = { generation: 0, variables: '' };
  readonly #allowReinit: boolean;
  #initialised = false;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  constructor(allowReinit: boolean) {
    this.#allowReinit = allowReinit;
  }

  /**
   * Takes an init's turn: waits for those before it, then calls `install` or, when the action is initialised
   * already, `refuse`.
   */
  init(install: () => Promise<InitAnswer>, refuse: () => Promise<InitAnswer>): Promise<InitAnswer> {
    this.#pending++;
    const turn = this.#last.then(async () => {
      try {
        if (this.#initialised && !this.#allowReinit) return await refuse();
        const answer = await install();
        if (answer.failure === undefined) {
          this.current = { generation: this.current.generation + 1, variables: answer.variables ?? '' };
          this.#initialised = true;
        }
        return answer;
      } finally {
        this.#pending--;
      }
    });
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Whether an init has succeeded. */
  get isInitialised(): boolean {
    return this.#initialised;
  }

  /** What a run has to wait for: the init under way, unless an older action can serve (D-05). */
  get blocking(): Promise<unknown> | undefined {
    return this.#pending > 0 && !this.#initialised ? this.#last : undefined;
  }
}
