import type { Row } from '../panels.js';
import { increase, max, mean, percentiles, quantile, rate, sum } from '../queries.js';

const PREWARM = 'hyperskeleton_prewarm_total';
const STARTS = 'hyperskeleton_activation_starts_total';
const CODE_BYTES = 'hyperskeleton_init_code_bytes';

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
      description: 'As it was sent, the zip or the text; and unpacked, all files together.',
      unit: 'bytes',
      queries: [
        { expr: mean(CODE_BYTES), legend: 'mean' },
        { expr: quantile(0.99, CODE_BYTES), legend: 'p99' },
        { expr: mean('hyperskeleton_init_unpacked_bytes'), legend: 'unpacked, mean' },
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
      kind: 'stacked',
      title: 'Starts by engine',
      description:
        'What started the processes of activations: forkserver clones a stopped one, posix_spawn executes anew, child_process is the slow fallback; actionloop had it already.',
      unit: 'reqps',
      runbook: 'fork-server',
      queries: [{ expr: rate(STARTS, ['engine']), legend: '{{engine}}' }],
    },
    {
      kind: 'lines',
      title: 'Share of starts by a clone',
      description:
        'Of the activations that got a process of their own, those that the fork server cloned: near 1 once an action is warm, 0 where another engine is in use. And those that came alone, so that the main thread started the clone itself.',
      unit: 'percentunit',
      max: 1,
      runbook: 'fork-server',
      queries: [
        {
          expr: `${rate(STARTS, [], 'engine="forkserver"')} / ${rate(STARTS, [], 'engine!="actionloop"')}`,
          legend: 'clones',
        },
        {
          expr: `${rate('hyperskeleton_activations_direct_total')} / ${rate(STARTS, [], 'engine!="actionloop"')}`,
          legend: 'by the main thread',
        },
      ],
    },
    {
      kind: 'lines',
      title: 'Prewarmed processes ready',
      description:
        'With the fork-server engine: prewarmed clones, two per thread. Under load there are none, on purpose.',
      unit: 'short',
      runbook: 'prewarming',
      queries: [{ expr: sum('hyperskeleton_prewarm_processes', ['state']), legend: '{{state}}' }],
    },
    {
      kind: 'stacked',
      title: 'Prewarmed processes: hits and misses',
      description:
        'hit: the activation took a prewarmed clone; miss: one was made for it, as always under load; discarded: prewarmed in vain.',
      unit: 'reqps',
      runbook: 'prewarming',
      queries: [{ expr: rate(PREWARM, ['result']), legend: '{{result}}' }],
    },
    {
      kind: 'lines',
      title: 'Share of activations that found a ready process',
      description: 'Near 1 at low load, and near 0 under load, when clones are not made ahead.',
      unit: 'percentunit',
      max: 1,
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
    {
      kind: 'lines',
      title: 'Templates by event',
      description:
        'Stopped processes that clones are made of, in ten minutes: built, failed (the action can not have one), died, renewed (after 10,000 runs or ten minutes).',
      unit: 'short',
      runbook: 'fork-server',
      queries: [
        {
          expr: increase('hyperskeleton_forkserver_templates_total', '10m', ['event']),
          legend: '{{event}}',
        },
      ],
    },
    {
      kind: 'lines',
      title: 'Starts that the fork server refused, by reason',
      description: 'The next engine took them; docs/internals/engines.md says what the words mean.',
      unit: 'reqps',
      width: 12,
      runbook: 'fork-server',
      queries: [{ expr: rate('hyperskeleton_forkserver_refusals_total', ['reason']), legend: '{{reason}}' }],
    },
    {
      kind: 'lines',
      title: 'Time spent on templates',
      description: 'Share of the time of one thread in which templates are built: some milliseconds each.',
      unit: 'percentunit',
      width: 12,
      runbook: 'fork-server',
      queries: [{ expr: rate('hyperskeleton_forkserver_build_seconds_total'), legend: 'building' }],
    },
  ],
};
