import { barsChart, numberOf, type Styles } from './charts/bars.js';
import { CHART_WIDTH } from './charts/rows.js';
import { FONT } from './charts/svg.js';
import { darkRules, INKS, targetStyles } from './charts/theme.js';
import { countOf } from './format.js';
import { type Entry, type Group, groupsOf, roundsOf } from './groups.js';
import { escapeHtml } from './html/escape.js';
import { type Metric, P50, RATE } from './metrics.js';
import { InvalidReport } from './read.js';
import type { BenchReport } from './schema.js';

interface PictureOptions {
  /** The scenario's id; without it the first that was measured under both loads. */
  readonly scenario?: string | undefined;
  /** The ids of the only targets to be drawn; without it all that have numbers. */
  readonly targets?: readonly string[] | undefined;
  /** Of the panel on the left. */
  readonly connections: number;
}

const PANEL = 420;
const EDGE = 14;
const WIDTH = 2 * PANEL + 3 * EDGE;
const HEAD = 64;
const FOOT = 44;

/**
 * What matters most in one SVG for a README: activations/s over many connections, and the median latency of one. It
 * brings its own background, since a page may be dark where the reader's system is light.
 *
 * @throws InvalidReport when the report has no scenario that was measured under both loads
 */
export function readmePicture(report: BenchReport, options: PictureOptions): string {
  const { many, one } = chosen(report, options);
  const { targets: wanted } = options;
  const styles = targetStyles(report.targets);
  const [left, right] = [panel(many, RATE, styles, wanted), panel(one, P50, styles, wanted)];
  const height = HEAD + Math.max(left.height, right.height) + FOOT;
  const drawn = new Set(left.entries.map(({ target }) => target.id));
  const serial = report.targets
    .filter(({ id, concurrency }) => concurrency === 1 && drawn.has(id))
    .map(({ title }) => title);
  const title = `${many.scenario.title}: activations per second and latency`;
  const foot = [
    `${report.machine.cpu}, ${countOf(report.machine.cores, 'core')}, Node ${report.machine.node}, ${report.startedAt.slice(0, 10)}. Medians of ${roundsOf(many)}; lines: lowest to highest.`,
    ...(serial.length === 0
      ? []
      : [`One activation at a time by design: ${serial.join(', ')}; more connections wait in a queue.`]),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="picture-t picture-d"><title id="picture-t">${escapeHtml(title)}</title><desc id="picture-d">${escapeHtml(foot.join(' '))}</desc>
<style>text{font-family:${FONT}}
@media (prefers-color-scheme:dark){
${darkRules('svg')}
}</style>
<rect x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="10" fill="${INKS.surface.light}" stroke="${INKS.grid.light}"/>
${words(EDGE + 10, 28, many.scenario.title, INKS.text.light, 16, 600)}
${words(EDGE + 10, 56, `Activations/s, ${countOf(options.connections, 'connection')} – more is better`, INKS.text.light, 13, 600)}
${words(2 * EDGE + PANEL + 10, 56, 'Median latency, 1 kept connection – less is better', INKS.text.light, 13, 600)}
${left.at(EDGE, HEAD)}
${right.at(2 * EDGE + PANEL, HEAD)}
${foot.map((text, row) => words(EDGE + 10, height - FOOT + 16 + row * 16, text, INKS.muted.light, 11)).join('\n')}
</svg>
`;
}

function chosen(report: BenchReport, { scenario, connections }: PictureOptions): { many: Group; one: Group } {
  const groups = groupsOf(report).filter((group) => scenario === undefined || group.scenario.id === scenario);
  const closed = (group: Group, count: number): boolean =>
    group.load.kind === 'closed' && group.load.connections === count && hasNumbers(group);
  for (const many of groups.filter((group) => closed(group, connections))) {
    const one = groups.find((group) => group.scenario.id === many.scenario.id && closed(group, 1));
    if (one !== undefined) return { many, one };
  }
  const which = scenario === undefined ? 'no scenario' : `no scenario “${scenario}”`;
  throw new InvalidReport(`the report has ${which} with numbers at 1 and at ${connections} connections`);
}

const hasNumbers = ({ entries }: Group): boolean =>
  entries.some((entry) => !entry.target.reference && numberOf(entry, RATE) !== undefined);

/** Only what has a number, and of the limits only the machine's own: a picture has little room. */
function panel(
  group: Group,
  metric: Metric,
  styles: Styles,
  wanted: readonly string[] | undefined,
): { entries: readonly Entry[]; height: number; at: (x: number, y: number) => string } {
  const entries = group.entries.filter(
    (entry) =>
      numberOf(entry, metric) !== undefined &&
      (wanted?.includes(entry.target.id) ?? true) &&
      (!entry.target.reference || entry.target.protocol === 'none'),
  );
  const svg = barsChart({ ...group, entries }, metric, styles) ?? '';
  const tall = Number(/viewBox="0 0 \d+ (\d+)"/.exec(svg)?.[1] ?? 0);
  const height = Math.round((tall * PANEL) / CHART_WIDTH);
  return {
    entries,
    height,
    at: (x, y) => svg.replace('<svg ', `<svg x="${x}" y="${y}" width="${PANEL}" height="${height}" `),
  };
}

function words(x: number, y: number, text: string, colour: string, size: number, weight = 400): string {
  return `<text x="${x}" y="${y}" fill="${colour}" font-size="${size}" font-weight="${weight}">${escapeHtml(text)}</text>`;
}
