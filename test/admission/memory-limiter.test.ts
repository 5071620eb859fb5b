import { describe, expect, it } from 'vitest';
import { MemoryLimiter } from '../../src/admission/memory-limiter.js';

const MIB = 1024 * 1024;
const CONTAINER_BYTES = 256 * MIB;
const SERVER_BYTES = 60 * MIB;
const IDLE_BYTES = 10 * MIB;
const LOOK_MS = 25;

/** A container in which activations grow to their size within some looks. */
class Container {
  readonly limiter = new MemoryLimiter(CONTAINER_BYTES);
  nowMs = 0;
  oomKills = 0;
  ended = 0;
  serverBytes = SERVER_BYTES;
  #running: { age: number }[] = [];

  constructor(
    readonly bytesEach: number,
    readonly growsForLooks = 2,
  ) {
    this.#look();
  }

  get usedBytes(): number {
    const each = this.#running.map(({ age }) => Math.min(1, age / this.growsForLooks) * this.bytesEach);
    return this.serverBytes + IDLE_BYTES + each.reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Lets in what may be, and looks. @returns whether the memory was enough */
  step(wanted: number): boolean {
    while (this.#running.length < Math.min(wanted, this.limiter.maxInFlight)) this.#running.push({ age: 0 });
    for (const one of this.#running) one.age++;
    this.nowMs += LOOK_MS;
    const isEnough = this.usedBytes <= CONTAINER_BYTES;
    if (!isEnough) this.oomKills++;
    this.#look();
    return isEnough;
  }

  end(): void {
    this.ended += this.#running.length;
    this.#running = [];
    this.#look();
  }

  #look(): void {
    const { nowMs, usedBytes, serverBytes, oomKills, ended } = this;
    this.limiter.add({ nowMs, usedBytes, serverBytes, oomKills, ended, inFlight: this.#running.length });
  }
}

describe('the number of activations that the memory is enough for', () => {
  it('keeps a burst of an unknown action within the memory', () => {
    const container = new Container(20 * MIB);
    for (let look = 0; look < 50; look++) expect(container.step(40)).toBe(true);
    expect(container.limiter.maxInFlight).toBeGreaterThanOrEqual(5);
    expect(container.limiter.maxInFlight).toBeLessThanOrEqual(8);
  });

  it('grows to hundreds for an action that needs little', () => {
    const container = new Container(0.3 * MIB);
    let looks = 0;
    while (container.limiter.maxInFlight < 400) {
      expect(container.step(1000)).toBe(true);
      expect(++looks).toBeLessThan(100);
    }
  });

  it('does not take the memory of the server for that of activations', () => {
    const container = new Container(MIB);
    for (let look = 0; look < 20; look++) container.step(4);
    const before = container.limiter.maxInFlight;
    container.serverBytes += 40 * MIB;
    container.step(4);
    expect(container.limiter.maxInFlight).toBeGreaterThan(before / 2);
  });

  it('halves the number when the kernel has killed, and remembers it', () => {
    const container = new Container(2 * MIB);
    for (let look = 0; look < 20; look++) container.step(16);
    container.oomKills++;
    container.step(16);
    expect(container.limiter.maxInFlight).toBeLessThanOrEqual(8);
    container.end();
    for (let look = 0; look < 20; look++) container.step(4);
    expect(container.limiter.maxInFlight).toBeLessThanOrEqual(8);
  });

  it('forgets what was seen within some minutes, and at once when another action comes', () => {
    const container = new Container(60 * MIB);
    for (let look = 0; look < 5; look++) container.step(2);
    container.end();
    const few = container.limiter.maxInFlight;
    container.limiter.reset();
    expect(container.limiter.maxInFlight).toBeGreaterThan(few);
  });

  it('is one at least', () => {
    const container = new Container(400 * MIB);
    container.step(1);
    container.step(1);
    expect(container.limiter.maxInFlight).toBe(1);
  });
});
