import { createServer } from 'node:http';
import { describe, expect, it } from 'vitest';
import type * as Open from '../../bench/load/open.js';
import type { BenchLoad, BenchRound } from '../../bench/report/schema.js';
import { CellBuilder } from '../../bench/run/cells.js';
import { relateToCalm, timesCapacity, toleratedErrors } from '../../bench/run/overload.js';
import { built } from './support.js';

const times = (factor: number): BenchLoad => ({ kind: 'open', connections: 9, ratePerSecond: 0, factor });

function round(p99Us: number, requests: number, errors: Record<string, number>): BenchRound {
  const latency = {
    count: requests,
    minUs: 1,
    meanUs: 1,
    p50Us: 1,
    p75Us: 1,
    p90Us: 1,
    p99Us,
    p999Us: p99Us,
  };
  return {
    startedAt: '2026-01-01T00:00:00Z',
    seconds: 1,
    repeated: 0,
    requests,
    ratePerSecond: requests,
    latency: { ...latency, maxUs: p99Us, curve: [] },
    errors,
    memory: [],
    cpu: [],
    noise: { othersShare: 0, stealShare: 0 },
  };
}

describe('an overload', () => {
  it("has each target's own rate, and tolerates refusals and loss but no other wrong answer", () => {
    expect(timesCapacity(times(4), 250.1)).toEqual({ ...times(4), ratePerSecond: 1000 });
    const fixed: BenchLoad = { kind: 'open', connections: 9, ratePerSecond: 7 };
    expect(timesCapacity(fixed, 250)).toEqual(fixed);
    expect(toleratedErrors(times(4))).toEqual(['status 429', 'timeout']);
    expect(toleratedErrors(fixed)).toEqual([]);
  });

  it('says what share was refused, how much was lost, and how the p99 grew over that of calm', () => {
    const [calm, over] = [0.8, 4].map((factor) => new CellBuilder('a', 'overload', times(factor), 1));
    if (calm === undefined || over === undefined) throw new Error('two cells');
    calm.add(round(10_000, 80, {}), false);
    over.add(round(15_000, 90, { 'status 429': 300, timeout: 10 }), false);
    relateToCalm([calm, over]);
    const only = (value: number): object => ({ median: value, low: value, high: value });
    expect(over.build().summary?.overload).toEqual({
      refusedShare: only(0.75),
      lost: only(10),
      p99OverCalm: only(1.5),
    });
    expect(calm.build().summary?.overload).toEqual({ refusedShare: only(0), lost: only(0) });
  });
});

it('what is due in the warm-up of an open loop is sent and checked, and not counted', async () => {
  const { openLoop } = await built<typeof Open>('load/open.js');
  let asked = 0;
  const server = createServer((request, response) => {
    request.resume();
    request.once('end', () => {
      if (asked++ < 20) response.writeHead(429);
      response.end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const result = await openLoop({
    endpoint: { host: '127.0.0.1', port, path: '/run' },
    ratePerSecond: 100,
    seconds: 0.4,
    warmUpSeconds: 0.3,
    connections: 1,
    source: { constant: true, next: () => ({ body: '{}', check: (answer) => answer === '{}' }) },
    drainSeconds: 5,
  });
  server.close();
  expect(result).toMatchObject({ due: 40, answers: 40, allAnswers: 50 });
  expect(result.errors).toEqual({});
  expect(result.warmUpErrors).toEqual({ 'status 429': 20 });
  expect(result.latency?.count).toBe(40);
});
