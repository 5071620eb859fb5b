import type { Row } from '../panels.js';
import { increase, orZero, percentiles, rate, sum } from '../queries.js';

const ACTIVATIONS = 'hyperskeleton_activations_total';
const CPU = 'hyperskeleton_child_cpu_seconds_total';
const LOGS = 'hyperskeleton_log_bytes_total';

/** What the action's processes take. */
export const actionResources: Row = {
  title: "The action's own resources",
  panels: [
    {
      kind: 'lines',
      title: "CPUs in use by the action's processes",
      description: 'Cores, as the kernel accounts for processes that have exited.',
      unit: 'short',
      queries: [{ expr: rate(CPU), legend: 'cores' }],
    },
    {
      kind: 'lines',
      title: 'CPU time of an activation',
      description: 'Where this is far less than the run phase, the action waits for something else.',
      unit: 's',
      queries: [{ expr: `${rate(CPU)} / ${rate(ACTIVATIONS)}`, legend: 'mean' }],
    },
    {
      kind: 'lines',
      title: 'Peak memory of a process',
      description:
        'The largest resident size that a process of an activation reached; never below that of the server, in whose memory it begins.',
      unit: 'bytes',
      runbook: 'memory',
      queries: percentiles('hyperskeleton_child_max_resident_bytes'),
    },
    {
      kind: 'lines',
      title: 'Size of the arguments',
      description: 'What an activation is given, in bytes of JSON.',
      unit: 'bytes',
      queries: percentiles('hyperskeleton_argument_bytes'),
    },
    {
      kind: 'lines',
      title: 'Size of the results',
      description: 'What an activation answers, in bytes of JSON.',
      unit: 'bytes',
      queries: percentiles('hyperskeleton_result_bytes'),
    },
    {
      kind: 'lines',
      title: 'Logs',
      description: 'What activations write to stdout and stderr besides the result.',
      unit: 'Bps',
      queries: [{ expr: rate(LOGS), legend: 'logs' }],
    },
    {
      kind: 'lines',
      title: 'Processes left behind',
      description: 'Processes that outlive their activation: alive now, and killed in the last ten minutes.',
      unit: 'short',
      runbook: 'leftovers',
      queries: [
        { expr: sum('hyperskeleton_leftover_processes'), legend: 'alive' },
        { expr: increase('hyperskeleton_leftovers_killed_total', '10m'), legend: 'killed in 10 min' },
      ],
    },
    {
      kind: 'stacked',
      title: 'ActionLoop: processes',
      description:
        'All busy and activations queued: --actionloop-processes is too small, or the action too slow.',
      unit: 'short',
      runbook: 'saturation',
      queries: ['busy', 'idle'].map((state) => ({
        expr: orZero(sum('hyperskeleton_actionloop_processes', [], `state="${state}"`)),
        legend: state,
      })),
    },
    {
      kind: 'lines',
      title: 'ActionLoop: starts, losses, stray lines',
      description:
        'In ten minutes: processes started, processes that ended without being told to, and lines that answered no activation.',
      unit: 'short',
      runbook: 'crash-loops',
      queries: [
        { expr: orZero(increase('hyperskeleton_actionloop_starts_total', '10m')), legend: 'started' },
        { expr: orZero(increase('hyperskeleton_actionloop_lost_total', '10m')), legend: 'lost' },
        {
          expr: orZero(increase('hyperskeleton_actionloop_extra_lines_total', '10m')),
          legend: 'stray lines',
        },
      ],
    },
  ],
};
