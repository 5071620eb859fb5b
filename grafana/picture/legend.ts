import { xml } from './format.js';
import { INKS, seriesColour } from './inks.js';

const FONT_SIZE = 10;
/** Of the widest of the fonts: in others it is loose, in none do names touch. */
export const CHARACTER_WIDTH = 6.1;
const MARK_WIDTH = 12;
const GAP = 12;
const LINE_HEIGHT = 14;
const MARGIN = 10;

/** Names the series of a chart at the bottom of its place, on as many lines as it takes. */
export function legend(
  names: readonly string[],
  size: { readonly width: number; readonly height: number },
): { svg: string; height: number } {
  let [x, line] = [MARGIN, 0];
  const places = names.map((name) => {
    const width = MARK_WIDTH + 4 + name.length * CHARACTER_WIDTH;
    if (x > MARGIN && x + width > size.width - MARGIN) [x, line] = [MARGIN, line + 1];
    const place = { name, x, line };
    x += width + GAP;
    return place;
  });
  const height = (line + 1) * LINE_HEIGHT;
  const top = size.height - height;
  const svg = places.map(({ name, x: left, line: at }, index) => {
    const middle = top + at * LINE_HEIGHT + LINE_HEIGHT / 2;
    return `<rect x="${left}" y="${middle - 2}" width="${MARK_WIDTH}" height="3" fill="${seriesColour(index)}"/><text x="${left + MARK_WIDTH + 4}" y="${middle + 3}" font-size="${FONT_SIZE}" fill="${INKS.muted.light}">${xml(name)}</text>`;
  });
  return { svg: svg.join(''), height };
}
