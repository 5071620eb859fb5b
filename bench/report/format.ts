import type { BenchLoad, BenchSummary } from './schema.js';

/**
 * How numbers are written for a reader: three significant digits and a unit. Rounding comes before the choice of
 * the unit, so that 999.96 µs is 1.00 ms and not 1000 µs.
 */

const DIGITS = 3;

/** Three significant digits without an exponent. */
export function significant(value: number): string {
  if (value === 0) return '0';
  if (!Number.isFinite(value)) return '∞';
  const rounded = Number(value.toPrecision(DIGITS));
  const decimals = Math.max(0, DIGITS - 1 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded.toFixed(Math.min(decimals, 20));
}

interface Unit {
  /** The size of the unit. */
  readonly of: number;
  readonly name: string;
  /** The smallest value that is written in it, where that is not one unit. */
  readonly from?: number;
}

function scaled(value: number, units: readonly Unit[]): string {
  const rounded = Number(value.toPrecision(DIGITS));
  const unit = units.find((one) => Math.abs(rounded) >= (one.from ?? one.of)) ?? units.at(-1);
  return unit === undefined ? significant(value) : `${significant(rounded / unit.of)}${unit.name}`;
}

const RATES: readonly Unit[] = [
  { of: 1e6, name: 'M/s' },
  { of: 1e3, name: 'k/s', from: 1e4 },
  { of: 1, name: '/s' },
];
const TIMES: readonly Unit[] = [
  { of: 1e6, name: ' s' },
  { of: 1e3, name: ' ms' },
  { of: 1, name: ' µs' },
];
const SIZES: readonly Unit[] = [
  { of: 2 ** 30, name: ' GiB' },
  { of: 2 ** 20, name: ' MiB' },
  { of: 2 ** 10, name: ' KiB' },
  { of: 1, name: ' B' },
];

/** `25.3k/s`, `1230/s`, `30.2/s`. */
export const formatRate = (perSecond: number): string => scaled(perSecond, RATES);

/** `812 µs`, `1.23 ms`, `4.56 s`. */
export const formatUs = (us: number): string => scaled(us, TIMES);

/** As `formatUs`, of milliseconds. */
export const formatMs = (ms: number): string => formatUs(ms * 1e3);

/** As `formatUs`, of seconds. */
export const formatSeconds = (seconds: number): string => formatUs(seconds * 1e6);

/** `63.4 MiB`. */
export const formatBytes = (bytes: number): string => scaled(bytes, SIZES);

/** `4.23×`. */
export const formatRatio = (ratio: number): string => `${significant(ratio)}×`;

/** A share as a percentage: `0.034` is `3.4 %`. */
export function formatShare(share: number): string {
  const percent = share * 100;
  if (!Number.isFinite(percent)) return '∞ %';
  return `${Math.abs(percent) >= 10 ? percent.toFixed(0) : percent.toFixed(1)} %`;
}

/** A ratio new ÷ old as a change: `+4.2 %`, `−12 %`. */
export function formatChange(ratio: number): string {
  const share = formatShare(Math.abs(ratio - 1));
  return `${ratio < 1 ? '−' : '+'}${share}`;
}

/** A number and what it lies between: `912/s (890–934)`, the unit once where it is the same for all. */
export function formatBetween(middle: string, low: string, high: string, to = '–'): string {
  const units = new Set([middle, low, high].map(unitOf));
  const bare = (text: string): string =>
    units.size > 1 ? text : text.slice(0, text.length - unitOf(text).length);
  return `${middle} (${bare(low)}${to}${bare(high)})`;
}

const unitOf = (text: string): string => /[^\d.]*$/.exec(text)?.[0] ?? '';

/** The median, and the lowest and highest round; alone where all rounds are the same. */
export function formatSummary(summary: BenchSummary, format: (value: number) => string): string {
  const [median, low, high] = [format(summary.median), format(summary.low), format(summary.high)];
  return low === high ? median : formatBetween(median, low, high);
}

/** `1 connection`, `32 connections`. */
export const countOf = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`;

/** A load in words. */
export function loadTitle(load: BenchLoad): string {
  switch (load.kind) {
    case 'closed':
      return countOf(load.connections, 'connection');
    case 'open':
      if (load.factor !== undefined) return `${load.factor} × each target’s own capacity`;
      return `${formatRate(load.ratePerSecond)} due, over ${countOf(load.connections, 'connection')}`;
    case 'capacity':
      return `highest rate with p99 under ${formatUs(load.p99LimitUs)}, over ${countOf(load.connections, 'connection')}`;
    case 'cold':
      return 'cold start';
    case 'init':
      return 'init, one at a time';
  }
}

/** Names a load among those of one scenario. */
export function loadKey(load: BenchLoad): string {
  switch (load.kind) {
    case 'closed':
      return `closed-${load.connections}`;
    case 'open':
      return load.factor === undefined
        ? `open-${load.connections}-${load.ratePerSecond}`
        : `open-${load.connections}-times-${load.factor}`;
    case 'capacity':
      return `capacity-${load.connections}-${load.p99LimitUs}`;
    case 'cold':
    case 'init':
      return load.kind;
  }
}

/** `2026-11-24 11:43 UTC`. */
export const formatDate = (iso: string): string =>
  `${new Date(iso).toISOString().slice(0, 16).replace('T', ' ')} UTC`;

/** A command as it can be pasted into a shell. */
export function shellCommand(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(' ');
}
