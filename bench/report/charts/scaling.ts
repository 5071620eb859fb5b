import { countOf, formatRate } from '../format.js';
import type { Group } from '../groups.js';
import { RATE } from '../metrics.js';
import { MAX_LIMIT, numberOf, type Styles } from './bars.js';
import { type Line, linesChart } from './lines.js';
import { linearScale, type Scale } from './scale.js';
import { UNKNOWN_STYLE } from './theme.js';

/**
 * How the rate grows with the connections.
 *
 * @param groups of one scenario, closed loops only
 * @returns undefined where no target has numbers under more than one load
 */
export function scalingChart(groups: readonly Group[], styles: Styles): string | undefined {
  const [first] = groups;
  const loads = groups.flatMap((group) =>
    group.load.kind === 'closed' ? [{ group, connections: group.load.connections }] : [],
  );
  if (first === undefined || loads.length < 2) return undefined;
  const targets = new Map(groups.flatMap(({ entries }) => entries.map(({ target }) => [target.id, target])));
  const lines = [...targets.values()].map((target): Line & { readonly top: number } => {
    const found = loads.flatMap(({ group, connections }) => {
      const entry = group.entries.find((one) => one.target.id === target.id);
      const summary = entry === undefined ? undefined : numberOf(entry, RATE);
      return summary === undefined ? [] : [{ connections, ...summary }];
    });
    return {
      name: target.title,
      style: styles.get(target.id) ?? UNKNOWN_STYLE,
      dots: true,
      points: found.map(({ connections, median }) => [connections, median]),
      spreads: found.map(({ connections, low, high }) => [connections, low, high]),
      top: Math.max(0, ...found.map(({ high }) => high)),
    };
  });
  const growing = lines.filter(({ points }) => points.length > 1);
  const own = Math.max(0, ...growing.filter(({ style }) => !style.limit).map(({ top }) => top));
  const shown = growing.filter(({ style, top }) => !style.limit || top <= own * MAX_LIMIT);
  if (own <= 0) return undefined;
  return linesChart({
    title: `${first.scenario.title}: activations/s by connections`,
    description: shown
      .map(({ name, points }) => {
        const [connections, rate] = points.at(-1) ?? [0, 0];
        return `${name}: ${formatRate(rate)} at ${countOf(connections, 'connection')}`;
      })
      .join('; '),
    lines: shown,
    x: connectionScale(loads.map(({ connections }) => connections)),
    y: linearScale(Math.max(...shown.map(({ top }) => top)), formatRate),
    xTitle: 'connections, logarithmic',
    yTitle: 'activations/s',
  });
}

/** A logarithmic axis that names the loads that there are. */
function connectionScale(connections: readonly number[]): Scale {
  const ticks = connections.map((count) => ({ at: Math.log2(count), label: String(count) }));
  const all = ticks.map(({ at }) => at);
  const room = 0.04 * (Math.max(...all) - Math.min(...all));
  return { min: Math.min(...all) - room, max: Math.max(...all) + room, ticks, plot: Math.log2 };
}
