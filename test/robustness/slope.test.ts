import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../bench/measure/statistics.js';
import { leaksOf, type Resources } from '../../robustness/check/resources.js';
import { fitLine, growthOf } from '../../robustness/check/slope.js';

const AT_REST: Resources = {
  descriptors: 34,
  threads: 12,
  processes: 3,
  zombies: 0,
  files: 7,
  memoryBytes: 60e6,
};

function samples(rounds: number, of: (round: number) => Partial<Resources>): Resources[] {
  return Array.from({ length: rounds }, (_, round) => ({ ...AT_REST, ...of(round) }));
}

describe('the fitted line', () => {
  it('is the one with the least squares, with the error of its slope', () => {
    expect(fitLine([0, 1, 2, 3], [1, 3, 5, 7])).toEqual({ slope: 2, error: 0 });
    const fit = fitLine([0, 1, 2, 3], [0, 1, 1, 2]);
    expect(fit?.slope).toBeCloseTo(0.6, 10);
    expect(fit?.error).toBeCloseTo(Math.sqrt(0.2 / 2 / 5), 10);
  });

  it('is none for too few points, or points at one place', () => {
    expect(fitLine([0, 1], [0, 1])).toBeUndefined();
    expect(fitLine([1, 1, 1], [0, 1, 2])).toBeUndefined();
    expect(growthOf([0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5])).toBeUndefined();
  });
});

describe('a leak', () => {
  it('is growth beyond the tolerance that noise does not explain', () => {
    const random = seededRandom(1);
    const found = leaksOf(samples(20, (round) => ({ descriptors: 34 + round + Math.round(2 * random()) })));
    expect(found.map(({ resource }) => resource)).toEqual(['descriptors']);
    expect(leaksOf(samples(20, (round) => ({ memoryBytes: 60e6 + round * 5e6 })))).toHaveLength(1);
  });

  it('is neither noise, nor what comes once, nor what caches take at the begin', () => {
    const random = seededRandom(2);
    const noise = (): Partial<Resources> => ({
      descriptors: 34 + Math.round(20 * random()),
      memoryBytes: 60e6 + 40e6 * random(),
      processes: Math.round(6 * random()),
    });
    for (let times = 0; times < 200; times++) expect(leaksOf(samples(15, noise))).toEqual([]);
    expect(leaksOf(samples(15, (round) => ({ threads: round === 7 ? 16 : 12 })))).toEqual([]);
    expect(leaksOf(samples(15, (round) => ({ memoryBytes: 60e6 + 40e6 * Math.min(1, round / 4) })))).toEqual(
      [],
    );
  });
});
