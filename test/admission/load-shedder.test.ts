import { describe, expect, it } from 'vitest';
import { LoadShedder } from '../../src/admission/load-shedder.js';

const CPUS = 2;

/** A machine that is simulated: work of some milliseconds, on so many CPUs that share it fairly. */
class Machine {
  nowMs = 0;
  refused = 0;
  readonly latenciesMs: number[] = [];
  readonly #shedder: LoadShedder;
  readonly #workMs: number;
  readonly #waitMs: number;
  #running: { left: number; since: number; wakesMs: number }[] = [];
  #busyMs = 0;
  #askedMs = 0;

  constructor(workMs: number, waitMs = 0) {
    this.#workMs = workMs;
    this.#waitMs = waitMs;
    this.#shedder = new LoadShedder(
      CPUS,
      () => {
        const share = this.#busyMs / ((this.nowMs - this.#askedMs) * CPUS);
        this.#busyMs = 0;
        this.#askedMs = this.nowMs;
        return share > 0.9;
      },
      0,
    );
  }

  get underWay(): number {
    return this.#running.length;
  }

  get isShedding(): boolean {
    return this.#shedder.isShedding;
  }

  arrive(): boolean {
    const lets = this.#shedder.admits(this.#running.length, this.nowMs);
    if (lets)
      this.#running.push({ left: this.#workMs, since: this.nowMs, wakesMs: this.nowMs + this.#waitMs });
    else this.refused++;
    return lets;
  }

  /** One millisecond. @returns how many ended */
  tick(): number {
    this.nowMs++;
    const awake = this.#running.filter(({ wakesMs }) => wakesMs <= this.nowMs);
    const share = awake.length === 0 ? 0 : Math.min(1, CPUS / awake.length);
    this.#busyMs += Math.min(CPUS, awake.length);
    for (const one of awake) one.left -= share;
    const over = this.#running.filter(({ left }) => left <= 0);
    this.#running = this.#running.filter(({ left }) => left > 0);
    for (const { since } of over) {
      this.latenciesMs.push(this.nowMs - since);
      this.#shedder.ended();
    }
    return over.length;
  }
}

function p99(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(0.99 * (values.length - 1))] as number;
}

/** Arrivals at a fixed rate for some seconds; the beginning is not looked at. */
function offer(machine: Machine, perMs: number, seconds: number): number[] {
  let due = 0;
  let from = 0;
  for (let ms = 0; ms < seconds * 1000; ms++) {
    if (ms === 5000) from = machine.latenciesMs.length;
    for (due += perMs; due >= 1; due--) machine.arrive();
    machine.tick();
  }
  return machine.latenciesMs.slice(from);
}

describe('what is too much for the CPUs', () => {
  const SUSTAINABLE = CPUS / 5;

  it('is refused, and what is let in keeps its latency', () => {
    const calm = new Machine(5);
    const calmly = p99(offer(calm, 0.8 * SUSTAINABLE, 10));
    expect(calm.refused).toBe(0);
    const busy = new Machine(5);
    const latencies = offer(busy, 4 * SUSTAINABLE, 10);
    expect(busy.refused).toBeGreaterThan(0.7 * 4 * SUSTAINABLE * 6000);
    // Of a CPU's work nothing is lost.
    expect(latencies.length).toBeGreaterThan(0.95 * SUSTAINABLE * 5000);
    expect(p99(latencies)).toBeLessThan(Math.max(3 * calmly, 60));
  });

  it('is taken in again when it is over', () => {
    const machine = new Machine(5);
    offer(machine, 4 * SUSTAINABLE, 5);
    expect(machine.isShedding).toBe(true);
    offer(machine, 0.5 * SUSTAINABLE, 5);
    expect(machine.isShedding).toBe(false);
    const before = machine.refused;
    offer(machine, 0.8 * SUSTAINABLE, 5);
    expect(machine.refused).toBe(before);
  });

  it('is forgotten when nobody comes for a while', () => {
    const machine = new Machine(5);
    offer(machine, 4 * SUSTAINABLE, 5);
    for (let ms = 0; ms < 3000; ms++) machine.tick();
    machine.arrive();
    expect(machine.isShedding).toBe(false);
  });
});

it('actions that mostly wait keep the CPUs busy while others of them are refused', () => {
  // Each computes 2 ms and waits a second: 1000 can end in a second, with 1000 under way.
  const machine = new Machine(2, 1000);
  const latencies = offer(machine, 3, 20);
  expect(machine.refused).toBeGreaterThan(10_000);
  expect(latencies.length).toBeGreaterThan(0.55 * 15_000);
});

describe('what is not too much', () => {
  it('a burst', () => {
    const machine = new Machine(5);
    for (let count = 0; count < 1000; count++) machine.arrive();
    while (machine.underWay > 0) machine.tick();
    expect(machine.refused).toBe(0);
  });

  it('callers who wait for their answers, however many and however slow', () => {
    for (const workMs of [1, 5, 40, 500]) {
      const machine = new Machine(workMs);
      for (let caller = 0; caller < 128; caller++) machine.arrive();
      for (let ms = 0; ms < 20_000; ms++) {
        for (let ended = machine.tick(); ended > 0; ended--) machine.arrive();
      }
      expect(machine.refused, `${workMs} ms of work`).toBe(0);
    }
  });

  it('callers who come one after the other, and then wait for their answers', () => {
    const machine = new Machine(300);
    for (let ms = 0, caller = 0; ms < 20_000; ms++) {
      if (ms % 20 === 0 && caller++ < 50) machine.arrive();
      for (let ended = machine.tick(); ended > 0; ended--) machine.arrive();
    }
    expect(machine.refused).toBe(0);
  });

  it('actions that only wait, arriving for long before the first one ends', () => {
    const machine = new Machine(0.5, 10_000);
    offer(machine, 0.5, 30);
    expect(machine.refused).toBe(0);
    expect(machine.underWay).toBeGreaterThan(4000);
  });
});
