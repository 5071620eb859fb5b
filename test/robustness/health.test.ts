import { availableParallelism } from 'node:os';
import { expect, it } from 'vitest';
import { slowSamples } from '../../robustness/check/health.js';
import type { HealthReport } from '../../robustness/check/health-thread.js';

const report = (tookMs: number, referenceMs: number, perCore: number): HealthReport => ({
  server: [[10_000, tookMs]],
  reference: [[10_050, referenceMs]],
  load: [[10_000, perCore * availableParallelism()]],
});

it('a health check is slow only if neither the machine nor the tool explains it', () => {
  expect(slowSamples(report(3000, 5, 0.5), [])).toHaveLength(1);
  expect(slowSamples(report(900, 5, 0), [])).toEqual([]);
  expect(slowSamples(report(3000, 400, 0), [])).toEqual([]);
  expect(slowSamples(report(3000, 5, 3), [])).toEqual([]);
  expect(slowSamples(report(3000, 5, 0), [{ fromMs: 9000, toMs: 12_000 }])).toEqual([]);
});
