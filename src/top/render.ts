import { PHASES } from '../observability/metrics/labels.js';
import { bytes, duration, number, percent, rate } from './units.js';
import type { Counted, View } from './view.js';

const BAR_WIDTH = 24;
const MAX_FAILURES = 6;

/** Puts text into a terminal's colour; as it is where there is none. */
interface Paint {
  bold(text: string): string;
  dim(text: string): string;
  good(text: string): string;
  warn(text: string): string;
  bad(text: string): string;
}

const same = (text: string): string => text;
export const PLAIN: Paint = { bold: same, dim: same, good: same, warn: same, bad: same };

const coloured =
  (code: number) =>
  (text: string): string =>
    `\x1b[${code}m${text}\x1b[0m`;
export const COLOURS: Paint = {
  bold: coloured(1),
  dim: coloured(2),
  good: coloured(32),
  warn: coloured(33),
  bad: coloured(31),
};

/** The lines of a view. */
export function render(view: View, url: string, paint: Paint): string[] {
  const heading = `${paint.bold('hyperskeleton top')}  ${url}`;
  const up = view.uptimeSeconds === null ? '' : `, up ${duration(view.uptimeSeconds)}`;
  return [
    heading,
    paint.dim(
      `version ${view.version}, engine ${view.engine}, Node ${view.node}${up}; the last ${duration(view.intervalSeconds)}`,
    ),
    '',
    line('activations', `${rate(view.activations.perSecond)}  ${outcomes(view, paint)}`, paint),
    line('started by', starts(view, paint), paint),
    line('in flight', filled(view.inFlight, view.inFlightLimit, paint), paint),
    line('queued', filled(view.queued, view.queueLimit, paint), paint),
    line('inits', `${rate(view.inits.perSecond)}  ${number(view.inits.total)} in all`, paint),
    '',
    ...phaseTable(view, paint),
    '',
    ...failureTable(view, paint),
    ...threadLines(view, paint),
    line(
      'cpu',
      `server ${number(view.cpu.serverCores)} cores, actions ${number(view.cpu.actionCores)}`,
      paint,
    ),
    line('memory', memory(view), paint),
    ...extras(view, paint),
  ];
}

function outcomes({ activations: { byOutcome } }: View, paint: Paint): string {
  const seen = Object.entries<Counted>(byOutcome).filter(([, { perSecond }]) => perSecond > 0);
  if (seen.length === 0) return paint.dim('nothing happened');
  return seen
    .map(([outcome, { perSecond }]) => {
      const text = `${outcome} ${rate(perSecond)}`;
      return outcome === 'ok' ? paint.good(text) : paint.warn(text);
    })
    .join('  ');
}

/** Which engine did it; the one that is preferred leaves some to others. */
function starts({ starts }: View, paint: Paint): string {
  const seen = Object.entries<Counted>(starts).filter(([, { perSecond }]) => perSecond > 0);
  const whole = seen.reduce((sum, [, { perSecond }]) => sum + perSecond, 0);
  if (seen.length === 0) return paint.dim('nothing');
  return seen
    .map(([engine, { perSecond }]) => `${engine} ${rate(perSecond)} (${percent(perSecond / whole)})`)
    .join('  ');
}

function filled(value: number, limit: number | null, paint: Paint): string {
  if (limit === null) return number(value);
  const share = limit === 0 ? 0 : Math.min(1, value / limit);
  const full = Math.round(share * BAR_WIDTH);
  const colour = share > 0.9 ? paint.bad : share > 0.5 ? paint.warn : paint.good;
  const bar = `${colour('#'.repeat(full))}${paint.dim('.'.repeat(BAR_WIDTH - full))}`;
  return `${bar}  ${number(value)} of ${number(limit)}`;
}

function phaseTable({ phases }: View, paint: Paint): string[] {
  const head = ['', 'mean', 'p50', 'p90', 'p99', 'share'];
  const rows = PHASES.map((phase) => {
    const { mean, p50, p90, p99, share } = phases[phase];
    return [
      phase,
      ...[mean, p50, p90, p99].map((value) => (value === null ? '-' : duration(value))),
      share === null ? '-' : percent(share),
    ];
  });
  const cells = (row: readonly string[]): string =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(12) : cell.padStart(10))).join('');
  return [paint.dim(cells(head)), ...rows.map(cells)];
}

function failureTable({ failures }: View, paint: Paint): string[] {
  if (failures.length === 0) return [];
  const rows = failures.slice(0, MAX_FAILURES).map(({ code, fault, perSecond, total }) => {
    const text = `${code.padEnd(24)}${fault.padEnd(10)}${rate(perSecond).padStart(12)}${number(total).padStart(12)} in all`;
    if (perSecond === 0) return paint.dim(text);
    return fault === 'runtime' ? paint.bad(text) : paint.warn(text);
  });
  const more = failures.length - MAX_FAILURES;
  return [paint.dim('failures'), ...rows, ...(more > 0 ? [paint.dim(`and ${more} more codes`)] : []), ''];
}

function threadLines({ threads }: View, paint: Paint): string[] {
  return threads.map(({ thread, utilization, lagSeconds, tasks }) => {
    const colour = utilization > 0.95 ? paint.bad : utilization > 0.8 ? paint.warn : paint.good;
    const facts = [
      `${colour(percent(utilization))} busy`,
      ...(lagSeconds === null ? [] : [`lag ${duration(lagSeconds)}`]),
      ...(tasks === null ? [] : [`${number(tasks)} tasks`]),
    ];
    return line(thread, facts.join(', '), paint);
  });
}

function memory({ memory: { serverBytes, containerBytes, limitBytes } }: View): string {
  const container =
    containerBytes === null
      ? ''
      : `, container ${bytes(containerBytes)}${limitBytes === null ? '' : ` of ${bytes(limitBytes)}`}`;
  return `server ${serverBytes === null ? '-' : bytes(serverBytes)}${container}`;
}

function extras({ prewarm, actionLoop }: View, paint: Paint): string[] {
  return [
    ...(prewarm === null
      ? []
      : [
          line(
            'prewarmed',
            `${number(prewarm.ready)} ready, hits ${rate(prewarm.hitsPerSecond)}, misses ${rate(prewarm.missesPerSecond)}`,
            paint,
          ),
        ]),
    ...(actionLoop === null
      ? []
      : [
          line(
            'ActionLoop',
            `${number(actionLoop.busy)} busy, ${number(actionLoop.idle)} idle, ${number(actionLoop.lost)} lost`,
            paint,
          ),
        ]),
  ];
}

function line(name: string, text: string, paint: Paint): string {
  return `${paint.dim(name.padEnd(14))}${text}`;
}
