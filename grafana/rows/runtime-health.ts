import type { Row } from '../panels.js';
import { increase, max, percentiles, rate, series, sum } from '../queries.js';

/** The server itself: memory, CPU, threads, what runs. */
export const runtimeHealth: Row = {
  title: "The runtime's health",
  panels: [
    {
      kind: 'lines',
      title: 'Memory of the server',
      description:
        "The server's process alone, of the largest instance; activations are processes of their own.",
      unit: 'bytes',
      runbook: 'memory',
      queries: [
        { expr: max('process_resident_memory_bytes'), legend: 'resident' },
        { expr: max('nodejs_heap_size_used_bytes'), legend: 'heap in use' },
        { expr: max('nodejs_external_memory_bytes'), legend: 'buffers' },
      ],
    },
    {
      kind: 'lines',
      title: 'Memory of the container',
      description:
        'Server, activations and the files that they have cached, of the largest instance; and the limit, where there is one.',
      unit: 'bytes',
      runbook: 'memory',
      queries: [
        { expr: max('hyperskeleton_container_memory_bytes'), legend: 'in use' },
        { expr: max('hyperskeleton_memory_limit_bytes'), legend: 'limit' },
      ],
    },
    {
      kind: 'stacked',
      title: 'CPUs in use by the server',
      description: 'Cores, without the processes of activations.',
      unit: 'short',
      queries: [
        { expr: rate('process_cpu_user_seconds_total'), legend: 'user' },
        { expr: rate('process_cpu_system_seconds_total'), legend: 'system' },
      ],
    },
    {
      kind: 'lines',
      title: 'Worker threads and losses',
      description:
        'Threads that live; in the last hour those that died and were replaced, processes that the kernel has killed for lack of memory, and metrics that could not be read: each is a fault.',
      unit: 'short',
      runbook: 'worker-replaced',
      queries: [
        { expr: sum('hyperskeleton_worker_threads'), legend: 'alive' },
        { expr: increase('hyperskeleton_workers_lost_total', '1h'), legend: 'replaced in 1 h' },
        { expr: increase('hyperskeleton_oom_kills_total', '1h'), legend: 'killed for memory in 1 h' },
        { expr: increase('hyperskeleton_scrape_errors_total', '1h'), legend: 'metrics not read in 1 h' },
      ],
    },
    {
      kind: 'lines',
      title: 'Restarts',
      description: 'How often the server of an instance was started anew in the last hour.',
      unit: 'short',
      thresholds: { warning: 1, critical: 3 },
      runbook: 'crash-loops',
      queries: [
        {
          expr: `sum by (instance) (changes(${series('process_start_time_seconds')}[1h]))`,
          legend: '{{instance}}',
        },
      ],
    },
    {
      kind: 'lines',
      title: 'Garbage collection',
      description: 'Share of the time that the main thread stood still for it, by kind.',
      unit: 'percentunit',
      thresholds: { warning: 0.05, critical: 0.2 },
      runbook: 'event-loop',
      queries: [{ expr: rate('nodejs_gc_duration_seconds_sum', ['kind']), legend: '{{kind}}' }],
    },
    {
      kind: 'lines',
      title: 'Age of the instances',
      description: 'Since the server of the youngest and of the oldest instance was started.',
      unit: 's',
      queries: [
        { expr: `time() - max(${series('process_start_time_seconds')})`, legend: 'youngest' },
        { expr: `time() - min(${series('process_start_time_seconds')})`, legend: 'oldest' },
      ],
    },
    {
      kind: 'lines',
      title: 'Making a page of metrics',
      description: 'How long the main thread takes for it at each scrape.',
      unit: 's',
      thresholds: { warning: 0.02, critical: 0.05 },
      runbook: 'event-loop',
      queries: percentiles('hyperskeleton_scrape_duration_seconds'),
    },
    {
      kind: 'bars',
      title: 'What runs',
      description:
        'Instances by version, engine, HTTP front end and version of Node. A slower engine or front end than elsewhere is a fallback: see the log.',
      unit: 'short',
      queries: [
        {
          expr: `count by (version, engine, http, node) (${series('hyperskeleton_build_info')})`,
          legend: '{{version}}, {{engine}}, HTTP by {{http}}, Node {{node}}',
        },
      ],
    },
  ],
};
