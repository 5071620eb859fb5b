import type { Row } from '../panels.js';
import { max, mean, percentiles, rate, sum } from '../queries.js';

const PREWARM = 'hyperskeleton_prewarm_total';

/** What an action waits for before its first activation, and whether processes were ready for the next. */
export const coldStarts: Row = {
  title: 'Cold starts and prewarming',
  panels: [
    {
      kind: 'stacked',
      title: 'Inits by outcome',
      description: 'Each is a cold start of an action.',
      unit: 'reqps',
      runbook: 'action-errors',
      queries: [{ expr: rate('hyperskeleton_inits_total', ['outcome']), legend: '{{outcome}}' }],
    },
    {
      kind: 'lines',
      title: 'Duration of an init',
      description: 'From the request to the answer: with it the caller waits for the first activation.',
      unit: 's',
      thresholds: { warning: 1, critical: 10 },
      runbook: 'slow-inits',
      queries: percentiles('hyperskeleton_init_duration_seconds'),
    },
    {
      kind: 'lines',
      title: 'Installing the code',
      description: 'The part of an init that unpacks and writes the code; the rest is transport and start.',
      unit: 's',
      runbook: 'slow-inits',
      queries: percentiles('hyperskeleton_init_install_seconds'),
    },
    {
      kind: 'lines',
      title: "Size of an init's code",
      description: 'As it was sent: the zip or the text.',
      unit: 'bytes',
      queries: [
        { expr: mean('hyperskeleton_init_code_bytes'), legend: 'mean' },
        ...percentiles('hyperskeleton_init_code_bytes').slice(2),
      ],
    },
    {
      kind: 'bars',
      title: "The server's start, by phase",
      description: 'Seconds from the start of the process until it is ready, of the slowest instance.',
      unit: 's',
      thresholds: { warning: 1, critical: 5 },
      queries: [{ expr: max('hyperskeleton_startup_seconds', ['phase']), legend: '{{phase}}' }],
    },
    {
      kind: 'lines',
      title: 'Prewarmed processes ready',
      description: 'With the fork-server engine: processes that wait for an activation.',
      unit: 'short',
      runbook: 'prewarming',
      queries: [{ expr: sum('hyperskeleton_prewarm_processes', ['state']), legend: '{{state}}' }],
    },
    {
      kind: 'stacked',
      title: 'Prewarmed processes: hits and misses',
      description:
        'hit: the activation took a ready process; miss: it had to wait for a new one; discarded: prewarmed in vain.',
      unit: 'reqps',
      runbook: 'prewarming',
      queries: [{ expr: rate(PREWARM, ['result']), legend: '{{result}}' }],
    },
    {
      kind: 'lines',
      title: 'Share of activations that found a ready process',
      description: 'Below one half prewarming costs more than it brings.',
      unit: 'percentunit',
      max: 1,
      thresholds: { warning: 0.9, critical: 0.5 },
      runbook: 'prewarming',
      queries: [
        {
          expr: `${rate(PREWARM, [], 'result="hit"')} / ${rate(PREWARM, [], 'result=~"hit|miss"')}`,
          legend: 'hits',
        },
      ],
    },
    {
      kind: 'lines',
      title: 'Refilling',
      description: 'How long it takes until a process that was used is replaced by a ready one.',
      unit: 's',
      runbook: 'prewarming',
      queries: percentiles('hyperskeleton_prewarm_refill_seconds'),
    },
  ],
};
