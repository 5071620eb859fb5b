import type { Metric } from './metric.js';

/** The metrics of the server itself: its threads, the processes that it keeps, its memory, its start. */
export const SERVER_METRICS = {
  hyperskeleton_prewarm_processes: {
    type: 'gauge',
    help: 'Processes that are prepared and wait for an activation, by state; absent where the engine prepares none.',
    labels: ['state'],
    collect: ({ server: { prewarm } }) => (prewarm === undefined ? [] : [['ready', prewarm.ready]]),
  },
  hyperskeleton_prewarm_total: {
    type: 'counter',
    help: 'What became of prepared processes: hit (an activation took one), miss (it found none), discarded (thrown away unused).',
    labels: ['result'],
    collect: ({ server: { prewarm } }) =>
      prewarm === undefined
        ? []
        : [
            ['hit', prewarm.hits],
            ['miss', prewarm.misses],
            ['discarded', prewarm.discarded],
          ],
  },
  hyperskeleton_prewarm_refill_seconds: {
    type: 'histogram',
    help: 'How long it takes until a prepared process is ready.',
    collect: ({ server }) => server.prewarm?.refillSeconds,
  },
  hyperskeleton_forkserver_templates_total: {
    type: 'counter',
    help: 'Fork server: stopped processes of the action that clones are made from, by what became of them.',
    labels: ['event'],
    collect: ({ server }) => Object.entries(server.prewarm?.templates ?? {}),
  },
  hyperskeleton_forkserver_build_seconds_total: {
    type: 'counter',
    help: 'Fork server: time spent on building templates.',
    collect: ({ server }) => server.prewarm?.buildSeconds,
  },
  hyperskeleton_forkserver_waiting_templates: {
    type: 'gauge',
    help: 'Isolated ActionLoop: processes that wait for their first line, which activations are clones of; one per thread at most.',
    collect: ({ server }) => server.prewarm?.waitingTemplates,
  },
  hyperskeleton_forkserver_waiting_template_bytes: {
    type: 'gauge',
    help: 'Isolated ActionLoop: resident memory of those processes, as they were stopped; their clones share it until they write to it.',
    collect: ({ server }) => server.prewarm?.waitingTemplateBytes,
  },
  hyperskeleton_forkserver_refusals_total: {
    type: 'counter',
    help: 'Fork server: starts that were left to the next engine, by reason (docs/internals/engines.md).',
    labels: ['reason'],
    collect: ({ server }) => Object.entries(server.prewarm?.refusals ?? {}),
  },
  hyperskeleton_worker_threads: {
    type: 'gauge',
    help: 'Worker threads that live.',
    collect: ({ server }) => server.workerThreads,
  },
  hyperskeleton_workers_lost_total: {
    type: 'counter',
    help: 'Worker threads that died and were replaced.',
    collect: ({ recorder }) => recorder.workersLost,
  },
  hyperskeleton_worker_start_failures_total: {
    type: 'counter',
    help: 'Worker threads that could not be started, for want of processes or descriptors; the others have their work.',
    collect: ({ recorder }) => recorder.workersNotStarted,
  },
  hyperskeleton_connections_refused_total: {
    type: 'counter',
    help: 'Connections that were closed at once because as many were open as the limit on open files has room for.',
    collect: ({ recorder }) => recorder.connectionsRefused,
  },
  hyperskeleton_log_bytes_dropped_total: {
    type: 'counter',
    help: 'Bytes that were not written to stdout or stderr: their reader stood still when the activation or the server ended, or has gone.',
    labels: ['stream'],
    collect: ({ server }) => server.losses.map(({ stream, bytes }) => [stream, bytes]),
  },
  hyperskeleton_log_sentinels_dropped_total: {
    type: 'counter',
    help: "Lines that end an activation's log and were not written because the stream's reader stood still.",
    labels: ['stream'],
    collect: ({ server }) => server.losses.map(({ stream, sentinels }) => [stream, sentinels]),
  },
  hyperskeleton_worker_tasks: {
    type: 'gauge',
    help: 'Tasks under way in each worker thread: activations, inits, processes of an ActionLoop action.',
    labels: ['thread'],
    collect: ({ server }) => server.threads.map(({ thread, tasks }) => [thread, tasks]),
  },
  hyperskeleton_worker_queued_tasks: {
    type: 'gauge',
    help: 'Tasks that wait for a worker thread which is being started or replaced (the queue of its piscina pool).',
    labels: ['thread'],
    collect: ({ server }) => server.threads.map(({ thread, queued }) => [thread, queued]),
  },
  hyperskeleton_event_loop_utilization_ratio: {
    type: 'gauge',
    help: 'The share of the time since the last scrape in which the event loop of a thread had something to do; at 1 the thread is the bottleneck.',
    labels: ['thread'],
    collect: ({ server }) => server.threads.map(({ thread, utilization }) => [thread, utilization]),
  },
  hyperskeleton_event_loop_lag_seconds: {
    type: 'gauge',
    help: 'The longest that an event loop was late in the last 15 to 30 seconds, looked at ten times a second while activations come; time in which the container was frozen amid activations counts.',
    labels: ['thread'],
    collect: ({ server }) => server.threads.map(({ thread, lagSeconds }) => [thread, lagSeconds]),
  },
  hyperskeleton_leftover_processes: {
    type: 'gauge',
    help: 'Processes that activations have left behind and that live.',
    collect: ({ server }) => server.leftovers,
  },
  hyperskeleton_leftovers_killed_total: {
    type: 'counter',
    help: 'Processes that activations had left behind and that were killed.',
    collect: ({ recorder }) => recorder.leftoversKilled,
  },
  hyperskeleton_actionloop_processes: {
    type: 'gauge',
    help: 'ActionLoop: processes of the action, by state.',
    labels: ['state'],
    collect: ({ server: { actionLoop } }) =>
      actionLoop === undefined
        ? []
        : [
            ['busy', actionLoop.busy],
            ['idle', actionLoop.processes - actionLoop.busy],
          ],
  },
  hyperskeleton_actionloop_starts_total: {
    type: 'counter',
    help: 'ActionLoop: processes of the action that were started.',
    collect: ({ server }) => server.actionLoop?.started,
  },
  hyperskeleton_actionloop_lost_total: {
    type: 'counter',
    help: 'ActionLoop: processes that ended without being told to.',
    collect: ({ server }) => server.actionLoop?.lost,
  },
  hyperskeleton_actionloop_extra_lines_total: {
    type: 'counter',
    help: 'ActionLoop: lines, or pieces of one, that answered no activation; each ended its process.',
    collect: ({ server }) => server.actionLoop?.extraLines,
  },
  hyperskeleton_memory_limit_bytes: {
    type: 'gauge',
    help: "The limit of the container's memory (cgroup); absent where there is none.",
    collect: ({ server }) => server.memory?.limitBytes,
  },
  hyperskeleton_container_memory_bytes: {
    type: 'gauge',
    help: "Memory that the container uses (cgroup): the server, the action's processes and the files that they have cached.",
    collect: ({ server }) => server.memory?.usedBytes,
  },
  hyperskeleton_oom_kills_total: {
    type: 'counter',
    help: "Processes of the container that the kernel has killed for lack of memory (cgroup), an action's own children among them; absent where nobody tells.",
    collect: ({ server }) => server.memory?.oomKills,
  },
  hyperskeleton_container_cpu_throttled_seconds_total: {
    type: 'counter',
    help: 'Time in which the container had to wait because its limit of CPU was used up (cgroup); absent where nobody tells.',
    collect: ({ server }) => server.cpu.throttledSeconds,
  },
  hyperskeleton_machine_cpu_waiting_seconds_total: {
    type: 'counter',
    help: 'Time in which anything on this machine, in whatever container, waited for a CPU (PSI); absent where the kernel does not tell.',
    collect: ({ server }) => server.cpu.waitedSeconds,
  },
  hyperskeleton_trace_spans_total: {
    type: 'counter',
    help: 'Spans of traces, by what became of them: sent, failed (the collector did not take them), dropped (too many waited for it); absent where nothing is traced.',
    labels: ['result'],
    collect: ({ server }) => Object.entries({ ...server.spans }),
  },
  hyperskeleton_scrape_duration_seconds: {
    type: 'histogram',
    help: 'How long it took to make this page, without the one under way.',
    collect: ({ recorder }) => recorder.scrapeSeconds,
  },
  hyperskeleton_scrape_errors_total: {
    type: 'counter',
    help: 'Metrics that could not be read, and were left out of the page.',
    collect: ({ recorder }) => recorder.scrapeErrors,
  },
  hyperskeleton_signals_ignored_total: {
    type: 'counter',
    help: 'Signals that mean nothing to the server and that another process, perhaps an action, has sent. Of each at most 100 a second are counted.',
    labels: ['signal'],
    collect: ({ server }) => server.signals,
  },
  hyperskeleton_log_records_dropped_total: {
    type: 'counter',
    help: "Records of the server's own log that were lost: its reader was too slow, or the disk full.",
    collect: ({ server }) => server.logRecordsDropped,
  },
  hyperskeleton_startup_seconds: {
    type: 'gauge',
    help: "The server's start by phase: node (Node itself and the program), prepare (action folder, ports, first worker set off), load (the front end), listen, worker (until a worker serves), total.",
    labels: ['phase'],
    collect: ({ server }) => server.startup,
  },
  hyperskeleton_build_info: {
    type: 'gauge',
    help: 'Always 1; its labels say what runs.',
    labels: ['version', 'engine', 'http', 'node'],
    collect: ({ server }) => [[[server.version, server.engine, server.frontEnd, process.version], 1]],
  },
} as const satisfies Record<string, Metric>;
