import type { Frame, FrameKind, Profile } from './fold.js';

const WIDTH = 1200;
const ROW = 17;
const MARGIN = 12;
const HEADING = 26;
/** Narrower ones can't be seen. */
const MIN_WIDTH = 1.5;
const LETTER_WIDTH = 6.2;

const COLOURS: Readonly<Record<FrameKind, readonly string[]>> = {
  kernel: ['#e8a08a', '#e3937b', '#ecab97'],
  javascript: ['#9cc7a1', '#8fbd95', '#a9d0ae'],
  native: ['#a9bcd6', '#9cb1cf', '#b5c6dd'],
};

/** What a picture says beside the functions. */
interface Caption {
  readonly title: string;
  /** How many microseconds of CPU a sample stands for, in one activation. */
  readonly usPerSample: number;
}

/**
 * Draws a profile as flame graphs, one role below the other: what is called stands on its caller, and is as wide as
 * the share of the role's time that passed in it.
 */
export function flameGraph(profile: Profile, { title, usPerSample }: Caption): string {
  const parts: string[] = [];
  let top = MARGIN + HEADING;
  for (const root of [...profile.values()].sort((a, b) => b.samples - a.samples)) {
    const depth = depthOf(root, root.samples);
    const floor = top + HEADING + depth * ROW;
    const us = (root.samples * usPerSample).toFixed(0);
    parts.push(`<text x="${MARGIN}" y="${top + 14}" class="h">${svgText(root.name)}: ${us} µs each</text>`);
    draw(root, MARGIN, floor, (WIDTH - 2 * MARGIN) / root.samples, usPerSample, parts);
    top = floor + ROW + MARGIN;
  }
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${top}" font-family="sans-serif" font-size="11">`,
    '<style>.h{font-size:14px;font-weight:bold}rect{stroke:#fff;stroke-width:.5}</style>',
    `<rect width="${WIDTH}" height="${top}" fill="#fff"/>`,
    `<text x="${MARGIN}" y="${MARGIN + 10}" class="h">${svgText(title)}</text>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

/** How many rows can be seen above a frame. */
function depthOf(frame: Frame, whole: number): number {
  const widths = [...frame.callees.values()].filter(
    ({ samples }) => (samples / whole) * (WIDTH - 2 * MARGIN) >= MIN_WIDTH,
  );
  return 1 + Math.max(0, ...widths.map((callee) => depthOf(callee, whole)));
}

function draw(
  frame: Frame,
  x: number,
  floor: number,
  pixelsPerSample: number,
  usPerSample: number,
  parts: string[],
): void {
  const width = frame.samples * pixelsPerSample;
  if (width < MIN_WIDTH) return;
  const colours = COLOURS[frame.kind];
  const fill = colours[frame.name.length % colours.length];
  const tip = `${frame.name}: ${(frame.samples * usPerSample).toFixed(1)} µs`;
  const at = `x="${x.toFixed(1)}" y="${floor - ROW}" width="${width.toFixed(1)}" height="${ROW - 1}"`;
  parts.push(
    `<g><title>${svgText(tip)}</title><rect ${at} fill="${fill}"/>${label(frame.name, x, floor, width)}</g>`,
  );
  let next = x;
  for (const callee of [...frame.callees.values()].sort((a, b) => (a.name < b.name ? -1 : 1))) {
    draw(callee, next, floor - ROW, pixelsPerSample, usPerSample, parts);
    next += callee.samples * pixelsPerSample;
  }
}

function label(name: string, x: number, floor: number, width: number): string {
  const letters = Math.floor((width - 6) / LETTER_WIDTH);
  if (letters < 4) return '';
  const text = name.length <= letters ? name : `${name.slice(0, letters - 1)}…`;
  return `<text x="${(x + 3).toFixed(1)}" y="${floor - 5}">${svgText(text)}</text>`;
}

function svgText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
