import { significant } from '../format.js';

/** Axes whose ends and ticks are known before they are drawn, so that labels can be placed beside what they name. */

interface Tick {
  readonly at: number;
  readonly label: string;
}

/** An axis in the units in which it is plotted: a logarithmic one in powers of ten. */
export interface Scale {
  readonly min: number;
  readonly max: number;
  readonly ticks: readonly Tick[];
  readonly plot: (value: number) => number;
}

/** Into which an axis is divided, about. */
const PARTS = 4;

type Format = (value: number) => string;

/** 1, 2 or 5 times a power of ten, at or above the value. */
function niceStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  const factor = [1, 2, 5, 10].find((step) => step * power >= value * (1 - 1e-9)) ?? 10;
  return factor * power;
}

/**
 * From zero to a round number at or above `top`.
 *
 * @param unit of which the ticks are round numbers, such as a MiB
 */
export function linearScale(top: number, format: Format = significant, unit = 1): Scale {
  const step = niceStep(top / unit / PARTS) * unit;
  const count = Math.max(1, Math.ceil(top / step - 1e-9));
  const ticks = Array.from({ length: count + 1 }, (_, index) => {
    const at = Number((index * step).toPrecision(12));
    return { at, label: at === 0 ? '0' : shortened(format(at)) };
  });
  return { min: 0, max: count * step, ticks, plot: (value) => value };
}

/** `200 ms` for `200.00 ms`: ticks are round numbers. */
const shortened = (text: string): string => text.replace(/(\.\d*?)0+(?!\d)/, '$1').replace(/\.(?!\d)/, '');

const MAX_TICKS = 7;

/** A logarithmic axis around the values, with ticks at 1, 2 and 5 where there is room. */
export function logScale(values: readonly number[], format: Format): Scale {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value));
  const low = positive.length === 0 ? 1 : Math.min(...positive);
  const high = positive.length === 0 ? 10 : Math.max(...positive);
  const step = [[1, 2, 5], [1, 3], [1]].find((steps) => marksBetween(low, high, steps).length <= MAX_TICKS);
  const marks = marksBetween(low, high, step ?? [1]);
  const ticks = marks.map((value) => ({ at: Math.log10(value), label: shortened(format(value)) }));
  return {
    min: ticks[0]?.at ?? 0,
    max: ticks.at(-1)?.at ?? 1,
    ticks,
    // What has no place on the axis is at its end.
    plot: (value) => Math.log10(Math.min(Math.max(value, low), high)),
  };
}

/** The marks of which the first is at or below `low` and the last at or above `high`. */
function marksBetween(low: number, high: number, steps: readonly number[]): number[] {
  const all: number[] = [];
  for (let power = Math.floor(Math.log10(low)) - 1; power <= Math.ceil(Math.log10(high)) + 1; power++)
    for (const step of steps) all.push(Number((step * 10 ** power).toPrecision(3)));
  const first = all.findLastIndex((mark) => mark <= low);
  const last = all.findIndex((mark) => mark >= high);
  return all.slice(first, Math.max(last, first + 1) + 1);
}

/**
 * The axis of percentiles: as far right as 1 ÷ (1 − share) is large, so that every further nine has the same room.
 *
 * @param count of the most requests in a round: beyond 1 − 1/count nothing is known
 */
export function percentileScale(count: number): Scale {
  const nines = Math.max(1, Math.floor(Math.log10(Math.max(10, count))));
  const labels = ['', '90 %', '99 %', '99.9 %', '99.99 %', '99.999 %', '99.9999 %'];
  const ticks = labels.slice(0, nines + 1).map((label, at) => ({ at, label }));
  return {
    min: 0,
    max: Math.max(nines, Math.log10(Math.max(10, count))),
    ticks: [{ at: Math.log10(2), label: '50 %' }, ...ticks.slice(1)],
    plot: (share) => -Math.log10(Math.max(1 - share, 1 / Math.max(10, count))),
  };
}

/** The same axis, cut off at `max`. */
export const cutAt = (scale: Scale, max: number): Scale => ({
  ...scale,
  max,
  ticks: scale.ticks.filter(({ at }) => at <= max),
});
