import { describe, expect, it } from 'vitest';
import { curveShares, LatencyRecorder } from '../../bench/measure/latency.js';

describe('recorded latencies', () => {
  it('gives percentiles within a thousandth', () => {
    const recorder = new LatencyRecorder();
    for (let us = 1; us <= 100_000; us++) recorder.record(us);
    const report = recorder.report();
    expect(report).toMatchObject({ count: 100_000, minUs: 1, maxUs: 100_000, meanUs: 50_000.5 });
    expect(Math.abs((report?.p50Us ?? 0) / 50_000 - 1)).toBeLessThan(0.001);
    expect(Math.abs((report?.p99Us ?? 0) / 99_000 - 1)).toBeLessThan(0.001);
    expect(Math.abs((report?.p999Us ?? 0) / 99_900 - 1)).toBeLessThan(0.001);
  });

  it('has a curve that rises to the maximum, no finer than the count allows', () => {
    const recorder = new LatencyRecorder();
    for (const us of [10, 20, 30, 40]) recorder.record(us);
    const curve = recorder.report()?.curve ?? [];
    expect(curve.at(-1)).toEqual([1, 40]);
    expect(curve.map(([, us]) => us)).toEqual([...curve.map(([, us]) => us)].sort((a, b) => a - b));
    expect(curveShares(4).filter((share) => share > 0.75 && share < 1)).toEqual([]);
    expect(curveShares(1_000_000).length).toBeLessThan(100);
  });

  it('has no report without a latency', () => {
    expect(new LatencyRecorder().report()).toBeUndefined();
  });
});
