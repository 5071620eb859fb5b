/** The phases of the server's start, in their order. */
const STARTUP_PHASES = ['node', 'prepare', 'load', 'listen', 'worker'] as const;
type StartupPhase = (typeof STARTUP_PHASES)[number];

/** Times the server's start: each phase ends where the next begins. */
export class Startup {
  readonly #seconds = new Map<string, number>();
  /** The process began at 0. */
  #lastMs = 0;

  /** That phase ends now. */
  endPhase(phase: StartupPhase): void {
    const now = performance.now();
    this.#seconds.set(phase, (now - this.#lastMs) / 1000);
    this.#lastMs = now;
    if (phase === 'worker') this.#seconds.set('total', now / 1000);
  }

  /** Seconds by phase, and their total. */
  get seconds(): ReadonlyMap<string, number> {
    return this.#seconds;
  }
}
