import { formatBytes, significant } from '../format.js';
import type { Entry, Group } from '../groups.js';
import type { BenchRound } from '../schema.js';
import type { Styles } from './bars.js';
import { type Line, linesChart } from './lines.js';
import { cutAt, linearScale } from './scale.js';
import { UNKNOWN_STYLE } from './theme.js';

/** Of a round's series, [ms, value]. */
type Series = (round: BenchRound) => readonly (readonly [number, number])[];

/** The round whose rate is in the middle: one that happened, rather than a mean of several. */
function middleRound(rounds: readonly BenchRound[]): BenchRound | undefined {
  return rounds.toSorted((a, b) => a.ratePerSecond - b.ratePerSecond)[(rounds.length - 1) >> 1];
}

function linesOf(entries: readonly Entry[], styles: Styles, series: Series, steps: boolean): Line[] {
  return entries.flatMap(({ target, cell }): Line[] => {
    const round = cell.status === 'absent' ? undefined : middleRound(cell.rounds);
    const points = round === undefined ? [] : series(round);
    if (points.length < 2) return [];
    return [
      {
        name: target.title,
        style: styles.get(target.id) ?? UNKNOWN_STYLE,
        steps,
        points: points.map(([ms, value]) => [ms / 1000, value]),
      },
    ];
  });
}

function timeline(
  title: string,
  lines: readonly Line[],
  yTitle: string,
  format: (value: number) => string,
  unit?: number,
): string | undefined {
  if (lines.length === 0) return undefined;
  const points = lines.flatMap((one) => one.points);
  const seconds = Math.max(...points.map(([x]) => x));
  const top = Math.max(...points.map(([, y]) => y));
  if (top <= 0 || seconds <= 0) return undefined;
  return linesChart({
    title,
    description: lines
      .map(({ name, points: own }) => `${name}: up to ${format(Math.max(...own.map(([, y]) => y)))}`)
      .join('; '),
    lines,
    x: cutAt(linearScale(seconds), seconds),
    y: linearScale(top, format, unit),
    xTitle: 'seconds since the round’s begin',
    yTitle,
    height: 250,
  });
}

/** CPUs in use by each target's whole process tree, in its middle round. */
export const cpuChart = (group: Group, styles: Styles): string | undefined =>
  timeline(
    `${group.scenario.title}: CPUs in use`,
    linesOf(group.entries, styles, ({ cpu }) => cpu, true),
    'CPUs in use',
    significant,
  );

/** Memory of each target's whole process tree, in its middle round. */
export const memoryChart = (group: Group, styles: Styles): string | undefined =>
  timeline(
    `${group.scenario.title}: memory`,
    linesOf(group.entries, styles, ({ memory }) => memory, false),
    'memory (PSS)',
    formatBytes,
    2 ** 20,
  );
