import type { InitAnswer } from '../protocol/answer.js';

/** What runs need to know of the action. */
interface CurrentAction {
  /** Counts up with each init that may have changed files or variables. */
  readonly generation: number;
  /** The variables of the last init, as JSON text; empty for none. */
  readonly variables: string;
}

/**
 * Whether the action has been initialised, by what, and who has to wait for it. Inits are serial; only one
 * succeeds, unless further ones are allowed (C-INIT-20 to C-INIT-23).
 */
export class ActionState {
  current: CurrentAction = { generation: 0, variables: '' };
  readonly #allowReinit: boolean;
  readonly #generation: () => number;
  #initialised = false;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  /** @param generation how often the action's files have been replaced until now */
  constructor(allowReinit: boolean, generation: () => number) {
    this.#allowReinit = allowReinit;
    this.#generation = generation;
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
          this.current = { ...this.current, variables: answer.variables ?? '' };
          this.#initialised = true;
        }
        return answer;
      } finally {
        // With the variables in one step, and after a failure too.
        this.current = { ...this.current, generation: this.#generation() };
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

  /** Resolves once {@link current} is what the inits under way have made of it. */
  get settled(): Promise<unknown> {
    return this.#last;
  }

  /** The init that a run has to wait for; undefined if there is none, or an older action can serve (C-INIT-23). */
  get blockingInit(): Promise<unknown> | undefined {
    return this.#pending > 0 && !this.#initialised ? this.#last : undefined;
  }
}
