import { describe, expect, it } from 'vitest';
import type { BenchCell, BenchRound } from '../../bench/report/schema.js';
import { compareCells } from '../../bench/run/comparisons.js';
import { type RunOptions, readOptions } from '../../bench/run/options.js';
import { makePlan } from '../../bench/run/plan.js';
import { TARGETS } from '../../bench/targets/index.js';
import type { FoundTarget } from '../../bench/targets/running.js';

/** All targets, as if each were here. */
const ALL: FoundTarget[] = TARGETS.map((definition) => ({
  definition,
  presence: {
    present: true,
    ...(definition.protocol === 'none' ? {} : { start: () => ({ command: [], env: {} }) }),
  },
}));

function options(...argv: string[]): RunOptions {
  const read = readOptions(argv);
  if ('show' in read) throw new Error('no run');
  return read;
}

describe('the plan', () => {
  it('keeps a quick run of everything that it measures under a minute, and the default under ten', () => {
    const quick = ALL.filter(({ definition }) => definition.quick);
    expect(makePlan(options('--quick'), quick, new Map()).estimateSeconds).toBeLessThan(58);
    const whole = makePlan(options(), ALL, new Map());
    expect(whole.estimateSeconds + whole.repeatSeconds).toBeLessThan(600);
    expect(whole.groups).toHaveLength(6);
    expect(whole.groups.flatMap(({ loads }) => loads)).toContainEqual({ kind: 'closed', connections: 32 });
    expect(whole.rounds).toBeGreaterThanOrEqual(3);
  });

  it('takes rounds and seconds as they are asked for', () => {
    const plan = makePlan(options('--rounds', '2', '--seconds', '0.1'), ALL, new Map());
    expect(plan).toMatchObject({ rounds: 2, seconds: 0.1 });
  });

  it('says why a target takes no part', () => {
    const full = makePlan(options('--full'), ALL, new Map());
    const reason = (scenario: string, target: string): string | undefined =>
      full.groups
        .find((group) => group.scenario.id === scenario)
        ?.leftOut.find(({ definition }) => definition.id === target)?.reason;
    expect(reason('init-small', 'of-watchdog')).toBe('it has no /init');
    expect(reason('log-heavy', 'of-watchdog')).toContain('stdout is the answer');
    expect(reason('hello-c', 'openwhisk-runtime-go')).toContain('not for the actionloop protocol');
    expect(reason('actionloop-echo', 'dockerskeleton')).toContain('not for the classic protocol');
    expect(reason('cpu-bound', 'spawn-loop')).toContain('only say hello');
    expect(reason('hello-c', 'spawn-loop')).toBeUndefined();
  });

  it('has every target in every scenario, as a member or with a reason', () => {
    const full = makePlan(options('--full'), ALL, new Map());
    for (const { members, leftOut } of full.groups)
      expect(members.length + leftOut.length).toBe(TARGETS.length);
  });
});

function cell(targetId: string, rates: readonly number[], scenarioId = 'hello-c'): BenchCell {
  const rounds = rates.map(
    (ratePerSecond): BenchRound => ({
      startedAt: '2026-01-01T00:00:00Z',
      seconds: 1,
      repeated: 0,
      requests: ratePerSecond,
      ratePerSecond,
      errors: {},
      memory: [],
      cpu: [],
      noise: { othersShare: 0, stealShare: 0 },
    }),
  );
  const summary = { ratePerSecond: { median: 1, low: 1, high: 1 } };
  return { targetId, scenarioId, load: { kind: 'closed', connections: 1 }, status: 'ok', rounds, summary };
}

describe('comparisons', () => {
  const verdict = (target: number[], baseline: number[]): string | undefined =>
    compareCells([cell('a', target), cell('b', baseline)], ['b'])[0]?.better;

  it('name who is ahead only where the whole interval says so, from three pairs on', () => {
    expect(verdict([200, 210, 220], [100, 100, 100])).toBe('target');
    expect(verdict([50, 60, 55], [100, 100, 100])).toBe('baseline');
    expect(verdict([90, 210, 220], [100, 100, 100])).toBe('undecided');
    expect(verdict([200, 210], [100, 100])).toBe('undecided');
  });

  it('take the next baseline where the first has no number', () => {
    const cells = [
      cell('a', [2, 2, 2]),
      cell('b', [1, 1, 1]),
      cell('a', [4, 4, 4], 'x'),
      cell('c', [1, 1, 1], 'x'),
    ];
    const found = compareCells(cells, ['b', 'c', 'a']);
    expect(found.map(({ scenarioId, baselineId, ratio }) => [scenarioId, baselineId, ratio])).toEqual([
      ['hello-c', 'b', 2],
      ['x', 'c', 4],
    ]);
  });

  it('leave failed cells out', () => {
    const { summary: _, ...rest } = cell('a', [1, 1, 1]);
    const failed: BenchCell = { ...rest, status: 'failed' };
    expect(compareCells([failed, cell('b', [1, 1, 1])], ['b'])).toEqual([]);
  });
});
