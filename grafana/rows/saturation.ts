import type { Row } from '../panels.js';
import { max, rate, series, sum } from '../queries.js';

/** What is nearly used up. */
export const saturation: Row = {
  title: 'Saturation',
  panels: [
    {
      kind: 'lines',
      title: 'In flight',
      description: 'Activations under way, and how many may be at the same time.',
      unit: 'short',
      runbook: 'saturation',
      queries: [
        { expr: sum('hyperskeleton_activations_in_flight'), legend: 'in flight' },
        { expr: sum('hyperskeleton_admission_limit'), legend: 'limit' },
      ],
    },
    {
      kind: 'lines',
      title: 'Queued',
      description: 'Activations that wait for a place, and how many may; one more is answered 429.',
      unit: 'short',
      runbook: 'saturation',
      queries: [
        { expr: sum('hyperskeleton_activations_queued'), legend: 'queued' },
        { expr: sum('hyperskeleton_queue_limit'), legend: 'limit' },
      ],
    },
    {
      kind: 'lines',
      title: 'Used share of the limits',
      description: 'Of the fullest instance.',
      unit: 'percentunit',
      max: 1,
      thresholds: { warning: 0.5, critical: 0.9 },
      runbook: 'saturation',
      queries: [
        {
          expr: `max(${series('hyperskeleton_activations_in_flight')} / ${series('hyperskeleton_admission_limit')})`,
          legend: 'in flight',
        },
        {
          expr: `max(${series('hyperskeleton_activations_queued')} / ${series('hyperskeleton_queue_limit')})`,
          legend: 'queued',
        },
        { expr: `max(${series('process_open_fds')} / ${series('process_max_fds')})`, legend: 'open files' },
      ],
    },
    {
      kind: 'lines',
      title: 'Refusals',
      description: 'Requests refused before anything was done for them; overloaded is an answer 429.',
      unit: 'reqps',
      runbook: 'saturation',
      queries: [{ expr: rate('hyperskeleton_refusals_total', ['code']), legend: '{{code}}' }],
    },
    {
      kind: 'lines',
      title: 'Event loop in use',
      description:
        'Share of the time in which a thread was busy, of the busiest instance. Near 1 that thread is the bottleneck.',
      unit: 'percentunit',
      max: 1,
      thresholds: { warning: 0.8, critical: 0.95 },
      runbook: 'event-loop',
      queries: [
        { expr: max('hyperskeleton_event_loop_utilization_ratio', ['thread']), legend: '{{thread}}' },
      ],
    },
    {
      kind: 'lines',
      title: 'Event loop lag',
      description: 'How late a thread comes to what is due, of the worst instance.',
      unit: 's',
      thresholds: { warning: 0.1, critical: 0.5 },
      runbook: 'event-loop',
      queries: [{ expr: max('hyperskeleton_event_loop_lag_seconds', ['thread']), legend: '{{thread}}' }],
    },
    {
      kind: 'stacked',
      title: 'Activations by worker thread',
      description:
        'What each worker supervises now, and of that what waits until the thread has been started; uneven columns mean that one is stuck.',
      unit: 'short',
      queries: [
        { expr: sum('hyperskeleton_worker_tasks', ['thread']), legend: '{{thread}}' },
        { expr: sum('hyperskeleton_worker_queued_tasks'), legend: 'waiting for a thread' },
      ],
    },
    {
      kind: 'lines',
      title: 'Short of CPU',
      description:
        'Share of the time in which the container was throttled by its own limit, and in which anything on its machine waited for a CPU; of the worst instance. Then the machine is to blame.',
      unit: 'percentunit',
      thresholds: { warning: 0.25, critical: 0.75 },
      runbook: 'cpu',
      queries: [
        {
          expr: `max(rate(${series('hyperskeleton_container_cpu_throttled_seconds_total')}[$__rate_interval]))`,
          legend: 'throttled',
        },
        {
          expr: `max(rate(${series('hyperskeleton_machine_cpu_waiting_seconds_total')}[$__rate_interval]))`,
          legend: 'machine waits',
        },
      ],
    },
    {
      kind: 'lines',
      title: 'Open files',
      description: 'Descriptors of the server, and how many it may have: activations hold a few each.',
      unit: 'short',
      runbook: 'saturation',
      queries: [
        { expr: sum('process_open_fds'), legend: 'open' },
        { expr: sum('process_max_fds'), legend: 'limit' },
      ],
    },
  ],
};
