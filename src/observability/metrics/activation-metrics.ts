import { INIT_WARNINGS } from '../../action/init-warning.js';
import { ERRORS, type ErrorCode, errorRowOf } from '../../protocol/errors.js';
import { RESULT_REASONS } from '../../protocol/invalid-result.js';
import { ABORT_STAGES, ENGINES, PHASES } from './labels.js';
import * as names from './names.js';
import { OUTCOMES } from './outcome.js';
import type { Recorder } from './recorder.js';
import { counter, gauge, histogram, type Metric, NO_LABELS, optionalSample, type Sample } from './samples.js';

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
export function activationMetrics(recorder: Recorder): Metric[] {
  const { gauges } = recorder;
  return [
    counter(
      {
        name: names.ACTIVATIONS_TOTAL,
        help: 'Activations answered, by outcome: ok; action_error (a result with a member error); or what the error table says of the failure (docs/reference/errors.md).',
        labels: ['outcome'],
      },
      () => byOutcome(recorder.activations),
    ),
    counter(
      {
        name: names.STARTS_TOTAL,
        help: 'Activations that came to run, by what started their process: an engine (docs/internals/engines.md), or actionloop where it was there already.',
        labels: ['engine'],
      },
      () => ENGINES.map((engine, at) => ({ labels: { engine }, value: recorder.starts[at] ?? 0 })),
    ),
    counter(
      {
        name: names.DIRECT_TOTAL,
        help: 'Activations that the main thread started itself, because they came alone (HYPERSKELETON_DIRECT).',
      },
      () => optionalSample(recorder.direct),
    ),
    histogram(
      {
        name: names.ACTIVATION_SECONDS,
        help: 'Time of an activation by phase: queue (request received until handed to a worker), start (until its process runs), run (until that has exited), total (until answered).',
        labels: ['phase'],
      },
      () => PHASES.map((phase) => [{ phase }, recorder.phases[phase]]),
    ),
    counter(
      {
        name: names.FAILURES_TOTAL,
        help: 'Everything that failed, by error code (docs/reference/errors.md) and by who has to change something: action (its author), caller (whoever sends the requests) or runtime (its operator).',
        labels: ['code', 'fault'],
      },
      () => failures(recorder.failures),
    ),
    counter(
      {
        name: names.RESULT_FAILURES_TOTAL,
        help: 'Activations that came to run and have no result, by reason (X-Hyperskeleton-Reason, docs/reference/errors.md).',
        labels: ['reason'],
      },
      () =>
        RESULT_REASONS.map((reason) => ({
          labels: { reason },
          value: recorder.resultFailures.get(reason) ?? 0,
        })),
    ),
    counter(
      {
        name: names.INIT_WARNINGS_TOTAL,
        help: 'Inits that succeeded and are probably a mistake, by warning (X-Hyperskeleton-Warning, docs/reference/errors.md).',
        labels: ['warning'],
      },
      () =>
        INIT_WARNINGS.map((warning) => ({
          labels: { warning },
          value: recorder.initWarnings.get(warning) ?? 0,
        })),
    ),
    counter(
      {
        name: names.REFUSALS_TOTAL,
        help: 'Requests refused before anything was done for them, by error code (docs/reference/errors.md).',
        labels: ['code'],
      },
      () => REFUSAL_CODES.map((code) => ({ labels: { code }, value: recorder.refusals.get(code) ?? 0 })),
    ),
    counter(
      {
        name: names.REQUESTS_ABORTED_TOTAL,
        help: 'Requests whose connection ended before they were answered, by what was under way: body (it had not come whole, and nothing was run), run, answer (it was not taken whole).',
        labels: ['during'],
      },
      () => ABORT_STAGES.map((during) => ({ labels: { during }, value: recorder.aborted[during] })),
    ),
    gauge(
      {
        name: names.BUFFERED_BYTES,
        help: 'Bytes of request bodies and results that are held: while they come, run, are judged and are sent.',
      },
      () => optionalSample(gauges.buffered().usedBytes),
    ),
    gauge(
      {
        name: names.BUFFERED_LIMIT_BYTES,
        help: 'How many bytes of request bodies and results may be held at the same time (HYPERSKELETON_MAX_BUFFERED_BYTES).',
      },
      () => optionalSample(gauges.buffered().limitBytes),
    ),
    gauge({ name: names.IN_FLIGHT, help: 'Activations under way.' }, () => optionalSample(gauges.inFlight())),
    gauge({ name: names.QUEUED, help: 'Activations that wait for a place.' }, () =>
      optionalSample(gauges.queued()),
    ),
    gauge(
      {
        name: names.ADMISSION_LIMIT,
        help: 'How many activations may be under way at the same time (HYPERSKELETON_MAX_IN_FLIGHT, or what the memory of the container is enough for); further ones wait.',
      },
      () => optionalSample(gauges.limits().inFlight),
    ),
    gauge(
      {
        name: names.QUEUE_LIMIT,
        help: 'How many activations may wait (HYPERSKELETON_MAX_QUEUED); one more is answered 429.',
      },
      () => optionalSample(gauges.limits().queued),
    ),
    histogram({ name: names.ARGUMENT_BYTES, help: 'Size of the arguments of an activation.' }, () => [
      [NO_LABELS, recorder.argumentBytes],
    ]),
    histogram({ name: names.RESULT_BYTES, help: 'Size of the result of an activation that had one.' }, () => [
      [NO_LABELS, recorder.resultBytes],
    ]),
    counter({ name: names.LOG_BYTES_TOTAL, help: 'Bytes of log that activations wrote.' }, () =>
      optionalSample(recorder.logBytes),
    ),
    counter(
      { name: names.CHILD_CPU_SECONDS_TOTAL, help: 'CPU time of the processes of activations (wait4).' },
      () => optionalSample(recorder.childCpuSeconds),
    ),
    histogram(
      {
        name: names.CHILD_RESIDENT_BYTES,
        help: 'The most memory that the process of an activation had resident (wait4).',
      },
      () => [[NO_LABELS, recorder.childResidentBytes]],
    ),
    counter({ name: names.INITS_TOTAL, help: 'Inits answered, by outcome.', labels: ['outcome'] }, () =>
      byOutcome(recorder.inits),
    ),
    histogram({ name: names.INIT_SECONDS, help: 'Time of an init from request to answer.' }, () => [
      [NO_LABELS, recorder.initSeconds],
    ]),
    histogram(
      {
        name: names.INIT_INSTALL_SECONDS,
        help: 'The part of an init in which the upload is read, unpacked and moved into place.',
      },
      () => [[NO_LABELS, recorder.installSeconds]],
    ),
    histogram(
      { name: names.INIT_CODE_BYTES, help: 'Size of the archive or text that an init installs.' },
      () => [[NO_LABELS, recorder.codeBytes]],
    ),
    histogram(
      {
        name: names.INIT_UNPACKED_BYTES,
        help: 'Size of the files that an init writes, all together: what came out of the archive.',
      },
      () => [[NO_LABELS, recorder.unpackedBytes]],
    ),
  ];
}

function byOutcome(counts: ReadonlyMap<string, number>): Sample[] {
  return OUTCOMES.map((outcome) => ({ labels: { outcome }, value: counts.get(outcome) ?? 0 }));
}

/** Every code of the table, so that each series is there before it first happens. */
function failures(counts: ReadonlyMap<ErrorCode, number>): Sample[] {
  return (Object.keys(ERRORS) as ErrorCode[]).map((code) => ({
    labels: { code, fault: errorRowOf(code).fault },
    value: counts.get(code) ?? 0,
  }));
}
