import { type Ink, INKS as REPORT_INKS, TARGET_INKS } from '../../bench/report/charts/theme.js';

/** Colours of everything but the series. */
export const INKS = {
  text: REPORT_INKS.text,
  muted: REPORT_INKS.muted,
  grid: REPORT_INKS.grid,
  page: { light: '#f6f8fa', dark: '#010409' },
  panel: REPORT_INKS.surface,
  border: { light: '#d1d9e0', dark: '#30363d' },
  good: { light: '#1a7f37', dark: '#3fb950' },
  warning: { light: '#9a6700', dark: '#d29922' },
  critical: { light: '#cf222e', dark: '#f85149' },
} as const satisfies Record<string, Ink>;

/** The last of the reports' colours is too near to `critical`. */
const SERIES: readonly Ink[] = TARGET_INKS.slice(0, 8);

/** The colour of a series by its place in its panel. */
export function seriesColour(at: number): string {
  return (SERIES[at % SERIES.length] as Ink).light;
}

/** What makes a picture that is drawn in light colours a dark one, where the reader prefers that. */
export function darkStyle(): string {
  const rules = [...Object.values(INKS), ...SERIES].map(
    ({ light, dark }) => `[fill="${light}"]{fill:${dark}}[stroke="${light}"]{stroke:${dark}}`,
  );
  return `<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`;
}
