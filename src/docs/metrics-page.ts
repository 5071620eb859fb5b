import type { Metric } from '../observability/metrics/metric.js';
import { METRICS } from '../observability/metrics/metrics.js';

/** docs/reference/metrics.md, from the metrics' own descriptions. */
export function metricsPage(): string {
  const rows = Object.entries<Metric>(METRICS).map(metricRow).join('\n');
  return `# Metrics

Made from \`src/observability/metrics/\` by \`npm run docs\`.

\`GET /metrics\` answers in Prometheus' text format, or in OpenMetrics where the scraper asks for it.
\`HYPERSKELETON_METRICS=off\` removes the page and everything that is counted for it.

| metric | type | labels | what |
|---|---|---|---|
${rows}

Besides these there are prom-client's metrics of the process and of Node (\`process_*\`, \`nodejs_*\`), but for its
\`nodejs_eventloop_lag_*\`: they need a timer that never rests, and a server at rest costs nothing;
\`hyperskeleton_event_loop_lag_seconds\` is there instead. Left out are also \`nodejs_active_*_total\`, gauges that are
named as counters are.

## Where to scrape

By default \`/metrics\` is on the main port, beside \`/run\`. Whoever can call the action can read it then: how often the
action runs, how long it takes, how much memory it uses, how it fails, the ids of activations and traces in exemplars.
It has no arguments, no results, no variables and no names, but what it has is a side channel where callers do not trust
each other, and each scrape takes a millisecond or two of the main thread, the first one some tens.

**Recommended: set \`HYPERSKELETON_METRICS_PORT\`**, and let only the scraper reach that port (a network policy, a
firewall, a port that is not published). The main port answers 404 for \`/metrics\` then. In Knative mode, whose main port
is public, there is no other way to have it. What makes the page is loaded at the first scrape, with a port of its own
a second after the start.

## Labels

Every label takes few values, all of them known before the first request, so that neither a caller nor an action can make
this page grow or break: \`outcome\`, \`code\` and \`fault\` are words of the error table ([errors.md](errors.md)), \`phase\`,
\`state\` and \`result\` those of the table above, \`thread\` is \`main\` or \`worker-1\` to the number of threads, \`le\` a bound
of a histogram, \`reason\` and \`event\` words of the fork server ([engines.md](../internals/engines.md)), \`engine\`, \`version\` and
\`node\` what runs.

- **An activation id is no label**: each would be a series of its own. It may be an exemplar: where the scraper asks for
  OpenMetrics, the buckets of \`hyperskeleton_activation_duration_seconds\` carry the trace id of their last activation, or
  its activation id where no trace was known. An id that is not 1 to 64 letters, digits, \`_\` or \`-\` is left out.
- **An action's name is no label here**: one container has one action, whose name the platform knows better, and a name
  comes from the caller. Let the scraper add it to the target (\`action\`, \`namespace\`), from the container's labels or its
  service discovery, where the number of actions is bounded.
- Nor is anything else of a request: namespaces, transaction ids, paths, header values, error details. The server's log
  has the ids, with cause and fault of each failure.

## Details

- A page takes a millisecond or two of the main thread, and waits for its turn under load. What can't be read is left
  out of it and counted in \`hyperskeleton_scrape_errors_total\`; \`hyperskeleton_scrape_duration_seconds\` has the time.
- \`action_error\` is a result of up to one MiB that is an object with a member \`error\`: the platform calls that an
  application error (C-RUN-20). It is answered as any other result, and is no failure.
- \`hyperskeleton_prewarm_total\` counts \`miss\` under load at each activation: clones are made ahead at low load only.
  \`hyperskeleton_forkserver_refusals_total\` counts attempts, \`hyperskeleton_activation_starts_total\` what came of them.
- \`hyperskeleton_requests_aborted_total{during="body"}\` counts what is no request at all (C-SRV-12): the client has gone
  or the front end has cut an idle connection before the body had come whole. The server's log has a record of each.
- \`hyperskeleton_buffered_bytes\` is what bodies and results take now, from the first byte of a body to the last byte
  of an answer; answers of up to 64 KiB and lines of up to 64 KiB are not counted.
- A phase is counted where an activation came to it: \`run\` has as many observations as processes were started.
- \`hyperskeleton_failures_total\` counts requests that are neither activations nor inits too (an unknown path, a wrong
  method); \`hyperskeleton_refusals_total\` those that were refused before anything was done for them.
- \`hyperskeleton_child_max_resident_bytes\` and \`hyperskeleton_child_cpu_seconds_total\` come from wait4(2), which the engine
  \`child_process\` can't ask: they stand still there. A process that is started by posix_spawn begins in the server's own
  memory, and the kernel counts that in the process's maximum: it is never below what the server itself has resident.
- \`hyperskeleton_container_memory_bytes\` counts cached files, which the kernel gives back before it kills: compare
  \`process_resident_memory_bytes\`.
`;
}

function metricRow([name, { type, labels: labelNames = [], help }]: [string, Metric]): string {
  const labels = labelNames.map((label) => `\`${label}\``).join(', ');
  return `| \`${name}\` | ${type} | ${labels} | ${help} |`;
}
