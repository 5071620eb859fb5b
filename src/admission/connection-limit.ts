/** How often refused connections are logged while there are any. */
const LOG_INTERVAL_MS = 10_000;

/** What refused connections are counted and logged by. */
interface RefusedConnections {
  count(): void;
  /** @param refused since the last call */
  log(refused: number, open: number): void;
}

/**
 * How many connections may be open at a time, so that activations find the descriptors that they need. Without it a
 * flood of connections takes all of them, and a server that accepts with none left (EMFILE, accept(2)) tries for ever.
 */
export class ConnectionLimit {
  readonly max: number;
  readonly #refusals: RefusedConnections;
  #open = 0;
  #refused = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(max: number, refusals: RefusedConnections) {
    this.max = max;
    this.#refusals = refusals;
  }

  /** Counts a new connection. @returns false for one too many, which is to be closed */
  opened(): boolean {
    this.#open++;
    if (this.#open <= this.max) return true;
    this.#refusals.count();
    this.#refused++;
    if (this.#timer === undefined) this.#tell();
    return false;
  }

  /** A connection that was counted has ended, refused or not. */
  closed(): void {
    this.#open--;
  }

  #tell(): void {
    this.#refusals.log(this.#refused, this.#open);
    this.#refused = 0;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#refused > 0) this.#tell();
    }, LOG_INTERVAL_MS).unref();
  }
}
