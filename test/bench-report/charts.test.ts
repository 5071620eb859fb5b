import { describe, expect, it } from 'vitest';
import { barsChart } from '../../bench/report/charts/bars.js';
import { latencyAt, medianCurve } from '../../bench/report/charts/curves.js';
import { spread, wrap } from '../../bench/report/charts/labels.js';
import { linearScale, logScale, percentileScale } from '../../bench/report/charts/scale.js';
import { scalingChart } from '../../bench/report/charts/scaling.js';
import { INKS, targetStyles } from '../../bench/report/charts/theme.js';
import { formatBytes, formatUs } from '../../bench/report/format.js';
import { groupsOf } from '../../bench/report/groups.js';
import { htmlReport } from '../../bench/report/html/report.js';
import { RATE } from '../../bench/report/metrics.js';
import { sampleReport } from './sample-report.js';
import { sampleLatency } from './sample-rounds.js';

const REPORT = sampleReport();
const STYLES = targetStyles(REPORT.targets);

describe('scales', () => {
  it('begin at zero and end at a round number', () => {
    const { max, ticks } = linearScale(1140, (value) => `${value}/s`);
    expect(max).toBe(1500);
    expect(ticks.map(({ label }) => label)).toEqual(['0', '500/s', '1000/s', '1500/s']);
  });

  it('count memory in whole MiB', () => {
    expect(linearScale(113 * 2 ** 20, formatBytes, 2 ** 20).ticks.map(({ label }) => label)).toEqual([
      '0',
      '50 MiB',
      '100 MiB',
      '150 MiB',
    ]);
  });

  it('have few ticks around many sizes', () => {
    const { ticks, min, max } = logScale([46, 30_000], formatUs);
    expect(ticks.map(({ label }) => label)).toEqual([
      '30 µs',
      '100 µs',
      '300 µs',
      '1 ms',
      '3 ms',
      '10 ms',
      '30 ms',
    ]);
    expect([10 ** min, 10 ** max].map(Math.round)).toEqual([30, 30_000]);
  });

  it('have a place for zero and for what is infinite', () => {
    const { plot, min, max } = logScale([0, 2, 30, Number.POSITIVE_INFINITY], formatUs);
    for (const value of [0, Number.POSITIVE_INFINITY]) {
      expect(plot(value)).toBeGreaterThanOrEqual(min);
      expect(plot(value)).toBeLessThanOrEqual(max);
    }
  });

  it('give every nine of a percentile the same room', () => {
    const { plot } = percentileScale(100_000);
    expect(plot(0)).toBeCloseTo(0);
    expect(plot(0.9)).toBeCloseTo(1);
    expect(plot(0.999)).toBeCloseTo(3);
    expect(plot(1)).toBeCloseTo(5);
  });
});

describe('labels', () => {
  it('move apart, in their order and within their room', () => {
    const labels = [50, 52, 51, 99].map((wanted) => ({ wanted, height: 10 }));
    const places = spread(labels, 0, 100);
    const sorted = places.toSorted((a, b) => a - b);
    expect(sorted.every((place, index) => index === 0 || place - (sorted[index - 1] ?? 0) >= 10 - 1e-9)).toBe(
      true,
    );
    expect(places[0]).toBeLessThan(places[2] as number);
    expect(Math.max(...places)).toBe(95);
  });

  it('are broken at spaces, and cut with an ellipsis', () => {
    expect(wrap('Hyperskeleton, posix_spawn', 15, 2)).toEqual(['Hyperskeleton,', 'posix_spawn']);
    expect(wrap('one two three four five six', 9, 2)).toEqual(['one two', 'three fo…']);
  });
});

describe('curves', () => {
  it('read the latency that a share did not exceed', () => {
    const latency = {
      ...sampleLatency(100, 10, 2),
      curve: [
        [0.5, 10],
        [0.9, 20],
        [1, 30],
      ] as [number, number][],
    };
    expect([0.4, 0.5, 0.51, 0.95].map((share) => latencyAt(latency, share))).toEqual([10, 10, 20, 30]);
  });

  it('end where the shortest round does', () => {
    const points = medianCurve([sampleLatency(100, 10, 2), sampleLatency(10_000, 10, 2)]);
    expect(1 - (points.at(-1)?.[0] ?? 0)).toBeCloseTo(0.01);
  });
});

describe('colours', () => {
  const svgs = htmlReport(REPORT).match(/<svg[\s\S]*?<\/svg>/g) ?? [];

  it('are all known to the dark style sheet', () => {
    const style = /<style>([\s\S]*?)<\/style>/.exec(htmlReport(REPORT))?.[1] ?? '';
    const used = new Set(
      svgs.flatMap((svg) =>
        [...svg.replace(/<defs[\s\S]*?<\/defs>/g, '').matchAll(/ (fill|stroke)="([^"]+)"/g)].map(
          ([, attribute, colour]) => `svg.chart [${attribute}="${colour}"]`,
        ),
      ),
    );
    const unknown = [...used].filter((rule) => !/"(?:none|transparent)"/.test(rule) && !style.includes(rule));
    expect(unknown).toEqual([]);
  });

  it('are the same for a target in every picture', () => {
    const [first, second] = groupsOf(REPORT).map((group) => barsChart(group, RATE, STYLES) ?? '');
    for (const colour of ['hyperskeleton', 'dockerskeleton'].map((id) => STYLES.get(id)?.ink.light))
      for (const svg of [first, second]) expect(svg).toContain(`fill="${colour}"`);
    expect(STYLES.get('spawn-loop')?.ink).toBe(INKS.limit);
  });

  it('give the same file for the same report', () => {
    expect(htmlReport(REPORT)).toBe(htmlReport(sampleReport()));
  });
});

it('the rate by connections names the loads, and needs more than one', () => {
  const groups = groupsOf(REPORT).filter(({ scenario }) => scenario.id === 'hello-c');
  const svg = scalingChart(groups, STYLES) ?? '';
  expect(svg).toMatch(/Hyperskeleton, posix_spawn: 2\d\d0\/s at 32 connections/);
  expect(svg).toContain('>32</text>');
  expect(svg).not.toContain('bare');
  expect(scalingChart(groups.slice(0, 1), STYLES)).toBeUndefined();
});

describe('bars', () => {
  const [group] = groupsOf(REPORT);
  const svg = group === undefined ? '' : (barsChart(group, RATE, STYLES) ?? '');

  it('say in words what they show', () => {
    expect(svg).toMatch(/<title id="[^"]+">hello, static C: activations\/s<\/title>/);
    expect(svg).toContain('of-watchdog, streaming: absent');
    expect(svg).toMatch(/limit: bare hyper-express answer: 2\dk?\.?\dk\/s/);
  });

  it('are not pressed flat by a limit far away', () => {
    expect(svg).toContain('>1500/s</text>');
  });
});
