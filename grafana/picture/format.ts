import { bytes, duration, number, percent } from '../../src/top/units.js';

const FORMATS: Readonly<Record<string, (value: number) => string>> = {
  s: duration,
  bytes,
  Bps: (value) => `${bytes(value)}/s`,
  reqps: (value) => `${number(value)}/s`,
  percentunit: percent,
  short: number,
};

/** A value in a unit of Grafana's. @throws Error for one that no panel has */
export function formatted(value: number, unit: string): string {
  const format = FORMATS[unit];
  if (format === undefined) throw new Error(`no format for the unit ${unit}`);
  return value === 0 && unit === 'percentunit' ? '0 %' : format(value);
}

/** A label of Grafana's: `{{name}}` stands for the series' label. */
export function legendOf(pattern: string, labels: Readonly<Record<string, string>>): string {
  return pattern.replace(/\{\{(\w+)\}\}/g, (_, name: string) => labels[name] ?? '');
}

/** Escapes text for XML. */
export function xml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
