import type { BenchTarget } from '../schema.js';

/**
 * Colours of charts. A chart is drawn in the light ones; in the dark a style sheet finds each by its attribute and
 * replaces it. So one SVG is right in both, and a reader that knows no style sheets shows the light one.
 */

/** One colour in both settings. Each light colour has one role only, since it is found by its value. */
export interface Ink {
  readonly light: string;
  readonly dark: string;
}

export const INKS = {
  text: { light: '#1f2328', dark: '#e6edf3' },
  muted: { light: '#59636e', dark: '#9da7b1' },
  grid: { light: '#e1e5ea', dark: '#2a3038' },
  axis: { light: '#8c959f', dark: '#6b7580' },
  surface: { light: '#fffffe', dark: '#0d1117' },
  limit: { light: '#6a737c', dark: '#a8b1ba' },
  limitFill: { light: '#d3d8de', dark: '#3a424c' },
  warning: { light: '#9a4a00', dark: '#f0a35e' },
} as const satisfies Record<string, Ink>;

/** After Okabe and Ito, told apart with any kind of colour vision; at 3:1 or more to either background. */
export const TARGET_INKS: readonly Ink[] = [
  { light: '#0068b5', dark: '#58b4ff' },
  { light: '#d04a02', dark: '#ff8f57' },
  { light: '#008a68', dark: '#2fcba0' },
  { light: '#b8518d', dark: '#ee9ac8' },
  { light: '#a87400', dark: '#f0b93a' },
  { light: '#6b4fbb', dark: '#b49cff' },
  { light: '#2b8fc4', dark: '#8fd3f7' },
  { light: '#6b6b00', dark: '#c9c94a' },
  { light: '#8a2f2a', dark: '#f2938c' },
];

/** How a target is drawn wherever it appears. */
export interface TargetStyle {
  readonly ink: Ink;
  /** Lines of limits, and of targets that have to share a colour, are dashed. */
  readonly dash: readonly number[] | undefined;
  readonly limit: boolean;
}

/**
 * Gives each target its colour, by its place in the list: the same in every picture of a report. What is absent comes
 * last, so that it takes no colour from what is seen.
 */
export function targetStyles(targets: readonly BenchTarget[]): ReadonlyMap<string, TargetStyle> {
  const styles = new Map<string, TargetStyle>();
  let [colours, limits] = [0, 0];
  for (const { id, reference } of targets.toSorted((a, b) => Number(b.present) - Number(a.present))) {
    if (reference) {
      styles.set(id, { ink: INKS.limit, dash: limits % 2 === 0 ? [5, 3] : [2, 3], limit: true });
      limits++;
      continue;
    }
    const ink = TARGET_INKS[colours % TARGET_INKS.length] ?? INKS.text;
    styles.set(id, { ink, dash: colours < TARGET_INKS.length ? undefined : [7, 3, 2, 3], limit: false });
    colours++;
  }
  return styles;
}

/** The style of a target that a report does not list. */
export const UNKNOWN_STYLE: TargetStyle = { ink: INKS.text, dash: [1, 2], limit: false };

/**
 * CSS that turns charts dark.
 *
 * @param scope the selector of what the charts are in
 */
export function darkRules(scope: string): string {
  return [...Object.values(INKS), ...TARGET_INKS]
    .map(
      ({ light, dark }) =>
        `${scope} [fill="${light}"]{fill:${dark}}${scope} [stroke="${light}"]{stroke:${dark}}`,
    )
    .join('\n');
}
