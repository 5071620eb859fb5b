import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Closed from '../../bench/load/closed.js';
import type * as Open from '../../bench/load/open.js';
import type { StallTask } from '../../bench/load/stalling-server.js';
import { built } from './support.js';

const STALL: StallTask = { stallMs: 400, everyMs: 1000 };
const SECONDS = 2.5;
const SOURCE = { constant: true, next: () => ({ body: '{}', check: (answer: string) => answer === '{}' }) };

describe('a server that stands still for 400 ms of each second', () => {
  let server: Worker;
  let endpoint: { host: string; port: number; path: string };

  beforeAll(async () => {
    const file = new URL('../../dist/bench/load/stalling-server.js', import.meta.url);
    server = new Worker(file, { workerData: STALL });
    const [port] = (await once(server, 'message')) as [number];
    endpoint = { host: '127.0.0.1', port, path: '/run' };
  });
  afterAll(() => server.terminate());

  it('shows its stalls when latency counts from when requests were due, and hides them from a closed loop', async () => {
    const { closedLoop } = await built<typeof Closed>('load/closed.js');
    const { openLoop } = await built<typeof Open>('load/open.js');
    const common = { endpoint, seconds: SECONDS, source: SOURCE };
    const naive = await closedLoop({ ...common, connections: 1 });
    const open = await openLoop({ ...common, connections: 200, ratePerSecond: 100, drainSeconds: 5 });
    expect(naive.errors).toEqual({});
    expect(open.errors).toEqual({});
    // Two in five requests were due during a stall: the slowest of them waited for all of it.
    expect(open.due).toBe(250);
    expect(open.answers).toBe(250);
    expect(open.latency?.p99Us).toBeGreaterThan(STALL.stallMs * 1000 * 0.75);
    expect(open.latency?.p90Us).toBeGreaterThan(STALL.stallMs * 1000 * 0.25);
    // Each stall met the closed loop once among all its answers.
    expect(naive.latency?.p99Us).toBeLessThan((open.latency?.p99Us ?? 0) / 4);
    expect(naive.latency?.maxUs).toBeGreaterThan(STALL.stallMs * 1000 * 0.75);
  });

  it('holds nothing back where too few connections are free: what waits counts from its time as well', async () => {
    const { openLoop } = await built<typeof Open>('load/open.js');
    const common = { endpoint, seconds: SECONDS, source: SOURCE };
    const open = await openLoop({ ...common, connections: 1, ratePerSecond: 100, drainSeconds: 5 });
    expect(open.answers).toBe(250);
    expect(open.latency?.p99Us).toBeGreaterThan(STALL.stallMs * 1000 * 0.75);
  });

  it('counts what has no answer when the time is over', async () => {
    const { openLoop } = await built<typeof Open>('load/open.js');
    const dead = { ...endpoint, path: '/run' };
    const never = { constant: true, next: () => ({ body: '{}', check: () => false }) };
    const open = await openLoop({
      endpoint: dead,
      seconds: 0.3,
      source: never,
      connections: 4,
      ratePerSecond: 20,
      drainSeconds: 5,
    });
    expect(open.errors).toEqual({ body: 6 });
    expect(open.answers).toBe(0);
  });
});
