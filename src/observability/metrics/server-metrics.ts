import type { Gauges, ThreadGauges } from './gauges.js';
import * as names from './names.js';
import type { Recorder } from './recorder.js';
import { counter, gauge, histogram, type Metric, NO_LABELS, optionalSample, type Sample } from './samples.js';

/** The metrics of the server itself: its threads, the processes that it keeps, its memory, its start. */
export function serverMetrics(recorder: Recorder, gauges: Gauges): Metric[] {
  return [
    ...prewarmMetrics(gauges),
    gauge({ name: names.WORKER_THREADS, help: 'Worker threads that live.' }, () =>
      optionalSample(gauges.workerThreads()),
    ),
    counter({ name: names.WORKERS_LOST_TOTAL, help: 'Worker threads that died and were replaced.' }, () =>
      optionalSample(recorder.workersLost),
    ),
    counter(
      {
        name: names.WORKERS_NOT_STARTED_TOTAL,
        help: 'Worker threads that could not be started, for want of processes or descriptors; the others have their work.',
      },
      () => optionalSample(recorder.workersNotStarted),
    ),
    counter(
      {
        name: names.CONNECTIONS_REFUSED_TOTAL,
        help: 'Connections that were closed at once because as many were open as the limit on open files has room for.',
      },
      () => optionalSample(recorder.connectionsRefused),
    ),
    counter(
      {
        name: names.LOG_BYTES_DROPPED_TOTAL,
        help: 'Bytes that were not written to stdout or stderr: their reader stood still when the activation or the server ended, or has gone.',
        labels: ['stream'],
      },
      () => gauges.losses().map(({ stream, bytes }) => ({ labels: { stream }, value: bytes })),
    ),
    counter(
      {
        name: names.LOG_SENTINELS_DROPPED_TOTAL,
        help: "Lines that end an activation's log and were not written because the stream's reader stood still.",
        labels: ['stream'],
      },
      () => gauges.losses().map(({ stream, sentinels }) => ({ labels: { stream }, value: sentinels })),
    ),
    gauge(
      {
        name: names.WORKER_TASKS,
        help: 'Tasks under way in each worker thread: activations, inits, processes of an ActionLoop action.',
        labels: ['thread'],
      },
      () => byThread(gauges.threads(), ({ tasks }) => tasks),
    ),
    gauge(
      {
        name: names.WORKER_QUEUE,
        help: 'Tasks that wait for a worker thread which is being started or replaced (the queue of its piscina pool).',
        labels: ['thread'],
      },
      () => byThread(gauges.threads(), ({ queued }) => queued),
    ),
    gauge(
      {
        name: names.EVENT_LOOP_UTILIZATION,
        help: 'The share of the time since the last scrape in which the event loop of a thread had something to do; at 1 the thread is the bottleneck.',
        labels: ['thread'],
      },
      () => byThread(gauges.threads(), ({ utilization }) => utilization),
    ),
    gauge(
      {
        name: names.EVENT_LOOP_LAG_SECONDS,
        help: 'The longest that an event loop was late in the last 15 to 30 seconds, looked at ten times a second while activations come; time in which the container was frozen amid activations counts.',
        labels: ['thread'],
      },
      () => byThread(gauges.threads(), ({ lagSeconds }) => lagSeconds),
    ),
    gauge(
      { name: names.LEFTOVER_PROCESSES, help: 'Processes that activations have left behind and that live.' },
      () => optionalSample(gauges.leftovers()),
    ),
    counter(
      {
        name: names.LEFTOVERS_KILLED_TOTAL,
        help: 'Processes that activations had left behind and that were killed.',
      },
      () => optionalSample(recorder.leftoversKilled),
    ),
    ...actionLoopMetrics(gauges),
    gauge(
      {
        name: names.MEMORY_LIMIT_BYTES,
        help: "The limit of the container's memory (cgroup); absent where there is none.",
      },
      () => optionalSample(gauges.memory()?.limitBytes),
    ),
    gauge(
      {
        name: names.CONTAINER_MEMORY_BYTES,
        help: "Memory that the container uses (cgroup): the server, the action's processes and the files that they have cached.",
      },
      () => optionalSample(gauges.memory()?.usedBytes),
    ),
    counter(
      {
        name: names.OOM_KILLS_TOTAL,
        help: "Processes of the container that the kernel has killed for lack of memory (cgroup), an action's own children among them; absent where nobody tells.",
      },
      () => optionalSample(gauges.memory()?.oomKills),
    ),
    counter(
      {
        name: names.CPU_THROTTLED_SECONDS_TOTAL,
        help: 'Time in which the container had to wait because its limit of CPU was used up (cgroup); absent where nobody tells.',
      },
      () => optionalSample(gauges.cpu().throttledSeconds),
    ),
    counter(
      {
        name: names.CPU_WAITING_SECONDS_TOTAL,
        help: 'Time in which anything on this machine, in whatever container, waited for a CPU (PSI); absent where the kernel does not tell.',
      },
      () => optionalSample(gauges.cpu().waitedSeconds),
    ),
    counter(
      {
        name: names.SPANS_TOTAL,
        help: 'Spans of traces, by what became of them: sent, failed (the collector did not take them), dropped (too many waited for it); absent where nothing is traced.',
        labels: ['result'],
      },
      () => {
        const spans = gauges.spans();
        return labelled('result', spans && { ...spans });
      },
    ),
    histogram(
      {
        name: names.SCRAPE_SECONDS,
        help: 'How long it took to make this page, without the one under way.',
      },
      () => [[NO_LABELS, recorder.scrapeSeconds]],
    ),
    counter(
      {
        name: names.SCRAPE_ERRORS_TOTAL,
        help: 'Metrics that could not be read, and were left out of the page.',
      },
      () => optionalSample(recorder.scrapeErrors),
    ),
    counter(
      {
        name: names.SIGNALS_IGNORED_TOTAL,
        help: 'Signals that mean nothing to the server and that another process, perhaps an action, has sent. Of each at most 100 a second are counted.',
        labels: ['signal'],
      },
      () => [...(gauges.signals?.() ?? [])].map(([signal, value]) => ({ labels: { signal }, value })),
    ),
    counter(
      {
        name: names.LOG_RECORDS_DROPPED_TOTAL,
        help: "Records of the server's own log that were lost: its reader was too slow, or the disk full.",
      },
      () => optionalSample(gauges.logRecordsDropped?.()),
    ),
    gauge(
      {
        name: names.STARTUP_SECONDS,
        help: "The server's start by phase: node (Node itself and the program), prepare (action folder, ports, first worker set off), load (the front end), listen, worker (until a worker serves), total.",
        labels: ['phase'],
      },
      () => [...gauges.startup()].map(([phase, value]) => ({ labels: { phase }, value })),
    ),
    gauge(
      {
        name: names.BUILD_INFO,
        help: 'Always 1; its labels say what runs.',
        labels: ['version', 'engine', 'http', 'node'],
      },
      () => [
        {
          labels: {
            version: gauges.version,
            engine: gauges.engine(),
            http: gauges.frontEnd(),
            node: process.version,
          },
          value: 1,
        },
      ],
    ),
  ];
}

function prewarmMetrics(gauges: Gauges): Metric[] {
  return [
    gauge(
      {
        name: names.PREWARM_PROCESSES,
        help: 'Processes that are prepared and wait for an activation, by state; absent where the engine prepares none.',
        labels: ['state'],
      },
      () => {
        const stats = gauges.prewarm();
        return stats === undefined ? [] : [{ labels: { state: 'ready' }, value: stats.ready }];
      },
    ),
    counter(
      {
        name: names.PREWARM_TOTAL,
        help: 'What became of prepared processes: hit (an activation took one), miss (it found none), discarded (thrown away unused).',
        labels: ['result'],
      },
      () => {
        const stats = gauges.prewarm();
        return stats === undefined
          ? []
          : [
              { labels: { result: 'hit' }, value: stats.hits },
              { labels: { result: 'miss' }, value: stats.misses },
              { labels: { result: 'discarded' }, value: stats.discarded },
            ];
      },
    ),
    histogram(
      { name: names.PREWARM_REFILL_SECONDS, help: 'How long it takes until a prepared process is ready.' },
      () => {
        const stats = gauges.prewarm();
        return stats === undefined ? [] : [[NO_LABELS, stats.refillSeconds]];
      },
    ),
    counter(
      {
        name: names.TEMPLATES_TOTAL,
        help: 'Fork server: stopped processes of the action that clones are made from, by what became of them.',
        labels: ['event'],
      },
      () => labelled('event', gauges.prewarm()?.templates),
    ),
    counter(
      { name: names.TEMPLATE_BUILD_SECONDS_TOTAL, help: 'Fork server: time spent on building templates.' },
      () => optionalSample(gauges.prewarm()?.buildSeconds),
    ),
    gauge(
      {
        name: names.WAITING_TEMPLATES,
        help: 'Isolated ActionLoop: processes that wait for their first line, which activations are clones of; one per thread at most.',
      },
      () => optionalSample(gauges.prewarm()?.waitingTemplates),
    ),
    gauge(
      {
        name: names.WAITING_TEMPLATE_BYTES,
        help: 'Isolated ActionLoop: resident memory of those processes, as they were stopped; their clones share it until they write to it.',
      },
      () => optionalSample(gauges.prewarm()?.waitingTemplateBytes),
    ),
    counter(
      {
        name: names.ENGINE_REFUSALS_TOTAL,
        help: 'Fork server: starts that were left to the next engine, by reason (docs/internals/engines.md).',
        labels: ['reason'],
      },
      () => labelled('reason', gauges.prewarm()?.refusals),
    ),
  ];
}

function labelled(label: string, values: Readonly<Record<string, number>> | undefined): Sample[] {
  return Object.entries(values ?? {}).map(([name, value]) => ({ labels: { [label]: name }, value }));
}

function actionLoopMetrics(gauges: Gauges): Metric[] {
  return [
    gauge(
      {
        name: names.ACTIONLOOP_PROCESSES,
        help: 'ActionLoop: processes of the action, by state.',
        labels: ['state'],
      },
      () => {
        const loop = gauges.actionLoop();
        return loop === undefined
          ? []
          : [
              { labels: { state: 'busy' }, value: loop.busy },
              { labels: { state: 'idle' }, value: loop.processes - loop.busy },
            ];
      },
    ),
    counter(
      { name: names.ACTIONLOOP_STARTS_TOTAL, help: 'ActionLoop: processes of the action that were started.' },
      () => optionalSample(gauges.actionLoop()?.started),
    ),
    counter(
      { name: names.ACTIONLOOP_LOST_TOTAL, help: 'ActionLoop: processes that ended without being told to.' },
      () => optionalSample(gauges.actionLoop()?.lost),
    ),
    counter(
      {
        name: names.ACTIONLOOP_EXTRA_LINES_TOTAL,
        help: 'ActionLoop: lines, or pieces of one, that answered no activation; each ended its process.',
      },
      () => optionalSample(gauges.actionLoop()?.extraLines),
    ),
  ];
}

function byThread(
  threads: readonly ThreadGauges[],
  numberOf: (thread: ThreadGauges) => number | undefined,
): Sample[] {
  return threads.flatMap((one) => {
    const value = numberOf(one);
    return value === undefined ? [] : [{ labels: { thread: one.thread }, value }];
  });
}
