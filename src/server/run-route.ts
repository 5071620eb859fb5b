import { parseBody, type RunBodyReader, TimeLimit } from '../executor/time-limit.js';
import type { Exchange } from '../http/exchange.js';
import type { ActivationTiming } from '../observability/metrics/recorder.js';
import type { ActivationSpan } from '../observability/tracing/tracing.js';
import { scheduleIdleGc } from '../os/idle-gc.js';
import type { RunAnswer } from '../protocol/answer.js';
import type { Received } from '../protocol/received.js';
import { traceIdOf } from '../protocol/trace-context.js';
import { wipe } from '../protocol/wipe.js';
import type { ParseAnswer } from '../threads/messages.js';
import { admit } from './admit.js';
import { deliveryOf, sendFailure, sendResult, timingHeaders } from './answer.js';
import { receive } from './receive.js';
import { type ServerContext, writeMissingSentinels } from './server-context.js';

/** POST /run (C-RUN-01 to C-RUN-26): lets the activation in, hands it to whoever runs it, answers what comes back. */
export async function handleRun(exchange: Exchange, context: ServerContext): Promise<void> {
  const received = await receive(exchange, context);
  if (received === undefined) return;
  const delivery = deliveryOf(context, received);
  const answer = await activate<never>(received, context, (traced, time) =>
    context.executor.execute(traced, time),
  );
  wipe(received.body);
  const headers = timingHeaders(answer.timing, context.config);
  if (answer.result !== undefined) sendResult(exchange, answer.result, headers, delivery);
  else sendFailure(exchange, answer.failure ?? { code: 'internal' }, undefined, headers);
}

/** The answer of an activation. */
export interface ActivationAnswer extends RunAnswer {
  readonly timing: ActivationTiming;
}

/**
 * Runs a request that has been let in, with the trace context that the action is to see. A route whose requests need not be
 * activations has it answer undefined for one that is none.
 */
type Execute<None> = (request: Received, time: TimeLimit | undefined) => Promise<RunAnswer | None>;

/**
 * One activation from its arrival to its answer, counted, traced and logged.
 *
 * @param execute runs it, once it has been let in; may throw where a worker died with it
 * @returns undefined where `execute` did; then nothing is counted, and the reservation of the body is the caller's
 */
export async function activate<None extends undefined>(
  received: Received,
  context: ServerContext,
  execute: Execute<None>,
): Promise<ActivationAnswer | None> {
  const { receivedMs, reservation } = received;
  const span = context.tracing?.begin(received);
  let request = span === undefined ? received : { ...received, trace: span.trace };
  context.lag?.touch();
  context.memory?.touch();
  const bodyBytes = received.body.byteLength;
  let deadlineEpochMs: number | undefined;
  const { bodyReader } = context;
  if (bodyReader !== undefined) {
    const read = await parse(received.body, bodyReader, context);
    if (read === undefined) {
      reservation.release();
      return recordAndFinish(LOST, 0, request, context, span);
    }
    request = { ...request, ...read };
    deadlineEpochMs = bodyReader.deadlineIn(read.body, read.parsed);
  }
  const time = TimeLimit.of(context.config, context.clock, deadlineEpochMs);
  const refusal = await admit(context, time);
  if (refusal !== undefined) {
    reservation.release();
    const failure = time === undefined ? refusal : { ...refusal, detail: time.describe() };
    if (failure.code === 'run_timeout') await writeMissingSentinels(context);
    return recordAndFinish(
      { failure, stats: NOTHING_RAN },
      performance.now() - receivedMs,
      request,
      context,
      span,
    );
  }
  const sweep = context.leftovers?.begin();
  let isActivation = true;
  try {
    const queuedMs = performance.now() - receivedMs;
    const answer = await awaitAnswer(execute, request, time, context);
    isActivation = answer !== undefined;
    if (answer === undefined) return answer;
    return recordAndFinish(answer, queuedMs, request, context, span);
  } finally {
    sweep?.();
    context.admission.leave();
    if (isActivation) reservation.release();
    scheduleIdleGc(bodyBytes);
  }
}

const NOTHING_RAN = { logBytes: 0, argumentBytes: 0 };
const LOST: RunAnswer = { failure: { code: 'worker_lost' }, stats: NOTHING_RAN };

/** Parses a body; undefined if a worker died with it, and then the sentinels are written. */
async function parse(
  body: Uint8Array,
  reader: RunBodyReader,
  context: ServerContext,
): Promise<ParseAnswer | undefined> {
  // It is under way, though not yet let in.
  context.work.begin();
  try {
    return await parseBody(body, reader, context.pool);
  } catch (error) {
    context.log.logFault('an activation failed inside the runtime', error);
    await writeMissingSentinels(context);
    return undefined;
  } finally {
    context.work.end();
  }
}

function recordAndFinish(
  answer: RunAnswer,
  queueMs: number,
  { receivedMs, trace, requestId }: Received,
  context: ServerContext,
  span: ActivationSpan | undefined,
): ActivationAnswer {
  const { startMs, runMs } = answer.stats;
  const timing: ActivationTiming = {
    queueMs,
    ...(startMs !== undefined && { startMs }),
    ...(runMs !== undefined && { runMs }),
    totalMs: performance.now() - receivedMs,
  };
  const traceId = trace && traceIdOf(trace);
  context.metrics?.observeRun(answer, timing, traceId);
  context.log.logRun(answer, traceId, requestId);
  if (answer.stats.logIncomplete) {
    const { activationId, logBytesDropped = 0 } = answer.stats;
    context.log.warn('answered before the log was written: its reader stands still', {
      ...(activationId !== undefined && { activationId }),
      logBytesDropped,
    });
  }
  span?.end(answer, timing);
  if (answer.result !== undefined) scheduleIdleGc(answer.result.byteLength);
  return { ...answer, timing };
}

/** So long after the time limit and the grace of its processes the supervisor of an activation may still answer. */
const MAX_SUPERVISOR_DELAY_MS = 2000;

async function awaitAnswer<None extends undefined>(
  execute: Execute<None>,
  request: Received,
  time: TimeLimit | undefined,
  context: ServerContext,
): Promise<RunAnswer | None> {
  const beyondMs = context.config.timeoutGraceMs + MAX_SUPERVISOR_DELAY_MS;
  let abandoned = false;
  try {
    const answer = await context.pending.wait<RunAnswer | None>(
      execute(request, time),
      (reason): RunAnswer => {
        abandoned = true;
        return {
          failure: { code: reason === 'time' ? 'run_timeout' : 'run_shutdown_killed' },
          stats: NOTHING_RAN,
        };
      },
      time && ((passed) => context.clock.setTimer(time.remainingPlus(beyondMs), passed)),
    );
    if (abandoned) {
      context.log.logFault('an activation was given up', new Error('its supervisor does not answer'));
      await writeMissingSentinels(context);
    }
    if (answer?.failure?.code !== 'run_timeout' || time === undefined) return answer;
    return { ...answer, failure: { ...answer.failure, detail: time.describe() } };
  } catch (error) {
    context.log.logFault('an activation failed inside the runtime', error);
    await writeMissingSentinels(context);
    return LOST;
  }
}
