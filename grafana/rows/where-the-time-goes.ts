import type { Row } from '../panels.js';
import { quantile, rate } from '../queries.js';

const DURATION = 'hyperskeleton_activation_duration_seconds';
const PARTS = 'phase!="total"';

/** Seconds that a phase takes out of each second of all activations together. */
const spent = rate(`${DURATION}_sum`, ['phase'], PARTS);
const answered = rate(`${DURATION}_count`, [], 'phase="total"');
const whole = rate(`${DURATION}_sum`, [], 'phase="total"');
/** Clocks of several threads: a few nanoseconds may be missing. */
const rest = `clamp_min(${whole} - sum(${spent}), 0)`;

/** Which part of an activation is slow: waiting, starting its process, the action itself. */
export const whereTheTimeGoes: Row = {
  title: 'Where the time goes',
  panels: [
    {
      kind: 'stacked',
      title: 'Mean time of an activation by phase',
      description:
        "queue: received until handed to a worker; start: until its process runs; run: until that has exited (the action's own time); rest: until answered.",
      unit: 's',
      runbook: 'slow-starts',
      queries: [
        { expr: `${spent} / on() group_left() ${answered}`, legend: '{{phase}}' },
        { expr: `${rest} / ${answered}`, legend: 'rest' },
      ],
    },
    {
      kind: 'lines',
      title: 'p99 by phase',
      description: 'The slow ones: whether they waited, started slowly, or ran long.',
      unit: 's',
      runbook: 'slow-starts',
      exemplars: true,
      queries: [{ expr: quantile(0.99, DURATION, ['phase'], PARTS), legend: '{{phase}}' }],
    },
    {
      kind: 'stacked',
      title: 'Share of the time by phase',
      description: 'A healthy server spends nearly all of it in run.',
      unit: 'percentunit',
      max: 1,
      queries: [
        { expr: `${spent} / on() group_left() ${whole}`, legend: '{{phase}}' },
        { expr: `${rest} / ${whole}`, legend: 'rest' },
      ],
    },
    {
      kind: 'lines',
      title: 'Activations that waited or started slowly',
      description:
        'Share of activations whose queue or start phase took over 100 ms. The objective is one in a hundred.',
      unit: 'percentunit',
      width: 12,
      thresholds: { warning: 0.01, critical: 0.1 },
      runbook: 'slow-starts',
      queries: [
        {
          expr: `1 - ${rate(`${DURATION}_bucket`, ['phase'], 'phase=~"queue|start"', 'le="0.1"')} / ${rate(`${DURATION}_count`, ['phase'], 'phase=~"queue|start"')}`,
          legend: '{{phase}}',
        },
      ],
    },
    {
      kind: 'lines',
      title: 'Activations under way, by the time they take',
      description:
        "Arrival rate times mean duration (Little's law): how many activations each phase holds on average.",
      unit: 'short',
      width: 12,
      queries: [{ expr: spent, legend: '{{phase}}' }],
    },
  ],
};
