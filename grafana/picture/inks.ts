/** One colour in both settings; a style sheet finds the light one by its value, so each has one role only. */
interface Ink {
  readonly light: string;
  readonly dark: string;
}

/** Colours of everything but the series. */
export const INKS = {
  text: { light: '#1f2328', dark: '#e6edf3' },
  muted: { light: '#59636e', dark: '#9da7b1' },
  grid: { light: '#e1e5ea', dark: '#2a3038' },
  page: { light: '#f6f8fa', dark: '#010409' },
  panel: { light: '#fffffe', dark: '#0d1117' },
  border: { light: '#d1d9e0', dark: '#30363d' },
  good: { light: '#1a7f37', dark: '#3fb950' },
  warning: { light: '#9a6700', dark: '#d29922' },
  critical: { light: '#cf222e', dark: '#f85149' },
} as const satisfies Record<string, Ink>;

/** After Okabe and Ito: told apart with any kind of colour vision, readable on both backgrounds. */
const SERIES: readonly Ink[] = [
  { light: '#0068b5', dark: '#58b4ff' },
  { light: '#d04a02', dark: '#ff8f57' },
  { light: '#008a68', dark: '#2fcba0' },
  { light: '#b8518d', dark: '#ee9ac8' },
  { light: '#a87400', dark: '#f0b93a' },
  { light: '#6b4fbb', dark: '#b49cff' },
  { light: '#2b8fc4', dark: '#8fd3f7' },
  { light: '#6b6b00', dark: '#c9c94a' },
];

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
