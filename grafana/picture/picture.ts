import { ROWS } from '../dashboard.js';
import { type PanelSpec, sizeOf } from '../panels.js';
import type { PanelResult, Stretch } from '../verify/evaluate.js';
import { chart, FONT, type Size } from './chart.js';
import { formatted, xml } from './format.js';
import { darkStyle, INKS } from './inks.js';
import { type Line, lastOf, linesOf, stateOf } from './lines.js';

const COLUMNS = 24;
const COLUMN_WIDTH = 60;
const LINE_HEIGHT = 23;
const GAP = 8;
const MARGIN = 16;
const HEADER_HEIGHT = 64;
const ROW_HEIGHT = 30;
const TITLE_HEIGHT = 26;

/** What the picture says about itself. */
interface Caption {
  readonly title: string;
  readonly subtitle: string;
}

/** A panel at its place. */
interface Placed {
  readonly spec: PanelSpec;
  readonly x: number;
  readonly y: number;
}

/**
 * Draws the dashboard with what its queries gave: the panels where Grafana has them, not Grafana's looks. One file
 * that needs nothing else, light or dark as the reader prefers.
 */
export function picture(results: readonly PanelResult[], stretch: Stretch, caption: Caption): string {
  const width = COLUMNS * COLUMN_WIDTH + 2 * MARGIN;
  const parts: string[] = [];
  let y = HEADER_HEIGHT;
  for (const row of ROWS) {
    parts.push(label(row.title, MARGIN, y + 21, 15, INKS.text.light, 600));
    const { placed, bottom } = place(row.panels, y + ROW_HEIGHT);
    for (const one of placed) {
      const found = results.filter(({ panel }) => panel === one.spec.title);
      parts.push(panelAt(one, linesFor(one.spec, found, stretch), whyEmpty(found)));
    }
    y = bottom;
  }
  const height = y + MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="${xml(FONT)}" role="img" aria-labelledby="t d"><title id="t">${xml(caption.title)}</title><desc id="d">${xml(caption.subtitle)}</desc>
${darkStyle()}
<rect width="${width}" height="${height}" fill="${INKS.page.light}"/>
${label(caption.title, MARGIN, 30, 20, INKS.text.light, 700)}
${label(caption.subtitle, MARGIN, 51, 12, INKS.muted.light)}
${parts.join('\n')}
</svg>
`;
}

/** From left to right, as Grafana does. */
function place(panels: readonly PanelSpec[], top: number): { placed: Placed[]; bottom: number } {
  const placed: Placed[] = [];
  let [column, y, tallest] = [0, top, 0];
  for (const spec of panels) {
    placed.push({ spec, x: MARGIN + column * COLUMN_WIDTH, y });
    const { columns, lines } = sizeOf(spec);
    tallest = Math.max(tallest, lines * LINE_HEIGHT);
    column += columns;
    if (column < COLUMNS) continue;
    [column, y, tallest] = [0, y + tallest, 0];
  }
  return { placed, bottom: y + tallest };
}

/** A heatmap needs its empty bands, too: they are the difference to their neighbours. */
function linesFor(spec: PanelSpec, results: readonly PanelResult[], stretch: Stretch): Line[] {
  return linesOf(results, stretch, spec.kind === 'heatmap' ? Number.POSITIVE_INFINITY : undefined);
}

function whyEmpty(results: readonly PanelResult[]): string {
  return results.find(({ excuse }) => excuse !== undefined)?.excuse ?? 'nothing was found';
}

function panelAt({ spec, x, y }: Placed, lines: readonly Line[], empty: string): string {
  const { columns, lines: rows } = sizeOf(spec);
  const [width, height] = [columns * COLUMN_WIDTH - GAP, rows * LINE_HEIGHT - GAP];
  const inner = { width, height: height - TITLE_HEIGHT - 4 };
  const title = label(spec.title, 10, 18, 12, INKS.text.light, 600);
  return `<g transform="translate(${x + GAP / 2} ${y + GAP / 2})"><rect width="${width}" height="${height}" rx="4" fill="${INKS.panel.light}" stroke="${INKS.border.light}"/>${title}<g transform="translate(0 ${TITLE_HEIGHT})">${content(spec, lines, inner, empty)}</g></g>`;
}

function content(spec: PanelSpec, lines: readonly Line[], size: Size, empty: string): string {
  const [first] = lines;
  if (first === undefined) {
    const x = size.width / 2;
    return `<text x="${x}" y="${size.height / 2}" text-anchor="middle" font-size="11" fill="${INKS.muted.light}">${xml(empty)}</text>`;
  }
  return spec.kind === 'stat' ? stat(spec, first, size) : chart(spec, lines, size);
}

/** One number, and the way to it. */
function stat(spec: PanelSpec, line: Line, size: Size): string {
  const last = lastOf(line) ?? 0;
  const colour = INKS[stateOf(last, spec)].light;
  const values = line.points.flatMap(([seconds, value]) =>
    value === undefined ? [] : [[seconds, value] as const],
  );
  const most = Math.max(...values.map(([, value]) => value)) || 1;
  const end = line.points.at(-1)?.[0] || 1;
  const path = values
    .map(([seconds, value]) => {
      const x = (seconds / end) * (size.width - 2);
      return `${(1 + x).toFixed(1)} ${(size.height - 2 - (value / most) * (size.height * 0.3)).toFixed(1)}`;
    })
    .join('L');
  return `${label(formatted(last, spec.unit), size.width / 2, 22, 24, colour, 600, 'middle')}<path d="M${path}" fill="none" stroke="${colour}" stroke-width="1.3"/>`;
}

function label(
  text: string,
  x: number,
  y: number,
  fontSize: number,
  fill: string,
  weight = 400,
  anchor = 'start',
): string {
  return `<text x="${x}" y="${y}" font-size="${fontSize}" font-weight="${weight}" text-anchor="${anchor}" fill="${fill}">${xml(text)}</text>`;
}
