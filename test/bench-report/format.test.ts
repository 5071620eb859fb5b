import { describe, expect, it } from 'vitest';
import {
  formatBetween,
  formatBytes,
  formatChange,
  formatRate,
  formatRatio,
  formatShare,
  formatSummary,
  formatUs,
  loadTitle,
  shellCommand,
  significant,
} from '../../bench/report/format.js';

describe('numbers have three significant digits and a unit', () => {
  it.each([
    [significant, 0, '0'],
    [significant, 0.012345, '0.0123'],
    [significant, 1234.5, '1230'],
    [significant, 9.996, '10.0'],
    [formatRate, 1234, '1230/s'],
    [formatRate, 9_996, '10.0k/s'],
    [formatRate, 25_312, '25.3k/s'],
    [formatRate, 2_531_200, '2.53M/s'],
    [formatUs, 0.5, '0.500 µs'],
    [formatUs, 999.4, '999 µs'],
    [formatUs, 999.96, '1.00 ms'],
    [formatUs, 4_560_000, '4.56 s'],
    [formatBytes, 1536, '1.50 KiB'],
    [formatBytes, 100 * 2 ** 20, '100 MiB'],
    [formatRatio, 4.8, '4.80×'],
    [formatShare, 0.034, '3.4 %'],
    [formatShare, 0.95, '95 %'],
    [formatChange, 1.123, '+12 %'],
    [formatChange, 0.958, '−4.2 %'],
  ] as const)('%o of %d', (format, value, text) => expect(format(value)).toBe(text));
});

it('names a unit once where it is the same for all', () => {
  expect(formatBetween('912/s', '890/s', '934/s')).toBe('912/s (890–934)');
  expect(formatBetween('1.00 ms', '990 µs', '1.01 ms')).toBe('1.00 ms (990 µs–1.01 ms)');
  expect(formatSummary({ median: 5, low: 5, high: 5 }, formatRate)).toBe('5.00/s');
});

it('names loads', () => {
  expect(loadTitle({ kind: 'closed', connections: 1 })).toBe('1 connection');
  expect(loadTitle({ kind: 'open', connections: 64, ratePerSecond: 200 })).toBe(
    '200/s due, over 64 connections',
  );
});

it('writes a command that a shell takes', () => {
  expect(shellCommand(['a', 'b c', "it's", '--x=1'])).toBe(`a 'b c' 'it'\\''s' --x=1`);
});
