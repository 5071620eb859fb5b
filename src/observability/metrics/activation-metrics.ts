import { INIT_WARNINGS } from '../../action/init-warning.js';
import { ERRORS, type ErrorCode, errorRowOf } from '../../protocol/errors.js';
import { RESULT_REASONS } from '../../protocol/invalid-result.js';
import { ABORT_STAGES, ENGINES, OUTCOMES, PHASES } from './labels.js';
import type { Metric, Series } from './metric.js';

/** What a request can be refused for, so that each series is there before it first happens. */
const REFUSAL_CODES: readonly ErrorCode[] = [
  'overloaded',
  'buffers_full',
  'body_too_large',
  'malformed_request',
  'head_too_large',
  'http_version',
  'request_timeout',
  'foreign_origin',
  'draining',
];

/** The metrics of activations: how many, how long, how large, and why not. */
export const ACTIVATION_METRICS = {
  hyperskeleton_activations_total: {
    type: 'counter',
    help: 'Activations answered, by outcome: ok; action_error (a result with a member error); or what the error table says of the failure (docs/reference/errors.md).',
    labels: ['outcome'],
    collect: ({ recorder }) => byOutcome(recorder.activations),
  },
  hyperskeleton_activation_starts_total: {
    type: 'counter',
    help: 'Activations that came to run, by what started their process: an engine (docs/internals/engines.md), or actionloop where it was there already.',
    labels: ['engine'],
    collect: ({ recorder }) => ENGINES.map((engine, at) => [engine, recorder.starts[at] ?? 0]),
  },
  hyperskeleton_activations_direct_total: {
    type: 'counter',
    help: 'Activations that the main thread started itself, because they came alone (HYPERSKELETON_DIRECT).',
    collect: ({ recorder }) => recorder.direct,
  },
  hyperskeleton_activation_duration_seconds: {
    type: 'histogram',
    help: 'Time of an activation by phase: queue (request received until handed to a worker), start (until its process runs), run (until that has exited), total (until answered).',
    labels: ['phase'],
    collect: ({ recorder }) => PHASES.map((phase) => [phase, recorder.phases[phase]]),
  },
  hyperskeleton_failures_total: {
    type: 'counter',
    help: 'Everything that failed, by error code (docs/reference/errors.md) and by who has to change something: action (its author), caller (whoever sends the requests) or runtime (its operator).',
    labels: ['code', 'fault'],
    collect: ({ recorder }) =>
      (Object.keys(ERRORS) as ErrorCode[]).map((code) => [
        [code, errorRowOf(code).fault],
        recorder.failures.get(code) ?? 0,
      ]),
  },
  hyperskeleton_result_failures_total: {
    type: 'counter',
    help: 'Activations that came to run and have no result, by reason (X-Hyperskeleton-Reason, docs/reference/errors.md).',
    labels: ['reason'],
    collect: ({ recorder }) =>
      RESULT_REASONS.map((reason) => [reason, recorder.resultFailures.get(reason) ?? 0]),
  },
  hyperskeleton_init_warnings_total: {
    type: 'counter',
    help: 'Inits that succeeded and are probably a mistake, by warning (X-Hyperskeleton-Warning, docs/reference/errors.md).',
    labels: ['warning'],
    collect: ({ recorder }) =>
      INIT_WARNINGS.map((warning) => [warning, recorder.initWarnings.get(warning) ?? 0]),
  },
  hyperskeleton_refusals_total: {
    type: 'counter',
    help: 'Requests refused before anything was done for them, by error code (docs/reference/errors.md).',
    labels: ['code'],
    collect: ({ recorder }) => REFUSAL_CODES.map((code) => [code, recorder.refusals.get(code) ?? 0]),
  },
  hyperskeleton_requests_aborted_total: {
    type: 'counter',
    help: 'Requests whose connection ended before they were answered, by what was under way: body (it had not come whole, and nothing was run), run, answer (it was not taken whole).',
    labels: ['during'],
    collect: ({ recorder }) => ABORT_STAGES.map((during) => [during, recorder.aborted[during]]),
  },
  hyperskeleton_buffered_bytes: {
    type: 'gauge',
    help: 'Bytes of request bodies and results that are held: while they come, run, are judged and are sent.',
    collect: ({ server }) => server.buffered.usedBytes,
  },
  hyperskeleton_buffered_limit_bytes: {
    type: 'gauge',
    help: 'How many bytes of request bodies and results may be held at the same time (HYPERSKELETON_MAX_BUFFERED_BYTES).',
    collect: ({ server }) => server.buffered.limitBytes,
  },
  hyperskeleton_activations_in_flight: {
    type: 'gauge',
    help: 'Activations under way.',
    collect: ({ server }) => server.inFlight,
  },
  hyperskeleton_activations_queued: {
    type: 'gauge',
    help: 'Activations that wait for a place.',
    collect: ({ server }) => server.queued,
  },
  hyperskeleton_admission_limit: {
    type: 'gauge',
    help: 'How many activations may be under way at the same time (HYPERSKELETON_MAX_IN_FLIGHT, or what the memory of the container is enough for); further ones wait.',
    collect: ({ server }) => server.limits.inFlight,
  },
  hyperskeleton_queue_limit: {
    type: 'gauge',
    help: 'How many activations may wait (HYPERSKELETON_MAX_QUEUED); one more is answered 429.',
    collect: ({ server }) => server.limits.queued,
  },
  hyperskeleton_argument_bytes: {
    type: 'histogram',
    help: 'Size of the arguments of an activation.',
    collect: ({ recorder }) => recorder.argumentBytes,
  },
  hyperskeleton_result_bytes: {
    type: 'histogram',
    help: 'Size of the result of an activation that had one.',
    collect: ({ recorder }) => recorder.resultBytes,
  },
  hyperskeleton_log_bytes_total: {
    type: 'counter',
    help: 'Bytes of log that activations wrote.',
    collect: ({ recorder }) => recorder.logBytes,
  },
  hyperskeleton_child_cpu_seconds_total: {
    type: 'counter',
    help: 'CPU time of the processes of activations (wait4).',
    collect: ({ recorder }) => recorder.childCpuSeconds,
  },
  hyperskeleton_child_max_resident_bytes: {
    type: 'histogram',
    help: 'The most memory that the process of an activation had resident (wait4).',
    collect: ({ recorder }) => recorder.childResidentBytes,
  },
  hyperskeleton_inits_total: {
    type: 'counter',
    help: 'Inits answered, by outcome.',
    labels: ['outcome'],
    collect: ({ recorder }) => byOutcome(recorder.inits),
  },
  hyperskeleton_init_duration_seconds: {
    type: 'histogram',
    help: 'Time of an init from request to answer.',
    collect: ({ recorder }) => recorder.initSeconds,
  },
  hyperskeleton_init_install_seconds: {
    type: 'histogram',
    help: 'The part of an init in which the upload is read, unpacked and moved into place.',
    collect: ({ recorder }) => recorder.installSeconds,
  },
  hyperskeleton_init_code_bytes: {
    type: 'histogram',
    help: 'Size of the archive or text that an init installs.',
    collect: ({ recorder }) => recorder.codeBytes,
  },
  hyperskeleton_init_unpacked_bytes: {
    type: 'histogram',
    help: 'Size of the files that an init writes, all together: what came out of the archive.',
    collect: ({ recorder }) => recorder.unpackedBytes,
  },
} as const satisfies Record<string, Metric>;

function byOutcome(counts: ReadonlyMap<string, number>): Series[] {
  return OUTCOMES.map((outcome) => [outcome, counts.get(outcome) ?? 0]);
}
