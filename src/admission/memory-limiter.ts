/** What an activation is taken to need while none of the action has been seen. */
const UNKNOWN_BYTES = 32 * 1024 * 1024;
/** What it needs at least, whatever was seen: its page tables and its stack in the kernel. */
const MIN_BYTES = 256 * 1024;
/** What is left free of the container's memory, for what grows besides activations. */
const RESERVE_SHARE = 0.1;
/** What the server itself needs under load (docs/internals/architecture.md), also while it uses less. */
const SERVER_BYTES = 80 * 1024 * 1024;
/**
 * Activations that have begun lately do not yet show what they need. So the limit grows by one for each that has ended, or
 * is doubled when none of them has grown by more than that share and so many bytes for so many samples.
 */
const STEADY_SHARE = 0.02;
const STEADY_BYTES = 128 * 1024;
const STEADY_SAMPLES = 8;
/** What was seen counts for half after so long. */
const HALF_LIFE_MS = 5 * 60_000;

/** How the memory of the container is used at one moment. */
export interface MemorySample {
  readonly nowMs: number;
  /** Of all processes, without what the kernel can give back. */
  readonly usedBytes: number;
  /** Of that, the server's own. */
  readonly serverBytes: number;
  /** How many processes the kernel has killed for lack of memory. */
  readonly oomKills: number;
  /** Activations under way, and how many have ended since the start. */
  readonly inFlight: number;
  readonly ended: number;
}

/**
 * How many activations may be under way so that the container's memory is enough for all of them: what is left beside
 * the server and what the action keeps between activations, divided by the most that an activation was seen to need.
 *
 * Memory is accounted for the group, not for activations: what one needs is what all use beyond the idle container,
 * divided by their number.
 */
export class MemoryLimiter {
  readonly #limitBytes: number;
  #serverBytes = SERVER_BYTES;
  #idleBytes = 0;
  #neededBytes: number | undefined;
  /** The most that each used since it grew last, and for how many samples that is so. */
  #steadyBytes = 0;
  #steadySamples = 0;
  #ended = 0;
  #sampledMs = 0;
  #oomKills: number | undefined;
  #maxInFlight: number;

  /** @param limitBytes the limit of the container's memory */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
    this.#maxInFlight = this.#fitting();
  }

  /** How many activations fit, at least one. */
  get maxInFlight(): number {
    return this.#maxInFlight;
  }

  /** Another action serves from now on. */
  reset(): void {
    this.#neededBytes = undefined;
    this.#maxInFlight = this.#fitting();
  }

  /** Takes account of a sample; {@link maxInFlight} may have another value after it. */
  add({ nowMs, usedBytes, serverBytes, oomKills, inFlight, ended }: MemorySample): void {
    this.#serverBytes = Math.max(SERVER_BYTES, serverBytes);
    const actionBytes = Math.max(0, usedBytes - serverBytes);
    const killed = this.#oomKills !== undefined && oomKills > this.#oomKills;
    this.#oomKills = oomKills;
    if (inFlight === 0) {
      this.#idleBytes = actionBytes;
      if (this.#neededBytes === undefined) this.#maxInFlight = this.#fitting();
      return;
    }
    const age = nowMs - this.#sampledMs;
    this.#sampledMs = nowMs;
    const each = Math.max(MIN_BYTES, (actionBytes - this.#idleBytes) / inFlight);
    const remembered = (this.#neededBytes ?? 0) * 0.5 ** (age / HALF_LIFE_MS);
    this.#neededBytes = Math.max(each, remembered);
    // Whatever was seen, it was not enough: half as many may be.
    if (killed) this.#neededBytes = Math.max(this.#neededBytes, (2 * this.#freeBytes) / inFlight);
    this.#maxInFlight = Math.min(this.#fitting(), this.#maxInFlight + this.#growth(each, ended));
  }

  #growth(eachBytes: number, ended: number): number {
    const endedLately = ended - this.#ended;
    this.#ended = ended;
    if (eachBytes > (1 + STEADY_SHARE) * this.#steadyBytes + STEADY_BYTES) {
      this.#steadyBytes = eachBytes;
      this.#steadySamples = 0;
    } else if (++this.#steadySamples >= STEADY_SAMPLES) {
      this.#steadyBytes = eachBytes;
      this.#steadySamples = 0;
      return Math.max(endedLately, this.#maxInFlight);
    }
    return endedLately;
  }

  #fitting(): number {
    return Math.max(1, Math.floor(this.#freeBytes / (this.#neededBytes ?? UNKNOWN_BYTES)));
  }

  get #freeBytes(): number {
    return (1 - RESERVE_SHARE) * this.#limitBytes - this.#serverBytes - this.#idleBytes;
  }
}
