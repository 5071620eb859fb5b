import { traceIdOf } from '../contract/trace-context.js';
import { wipe } from '../contract/wipe.js';
import type { Exchange } from '../http/exchange.js';
import type { ActivationTiming } from '../metrics/recorder.js';
import type { DeadlineAnswer, RunAnswer } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import type { ActivationSpan } from '../tracing/tracing.js';
import { admit } from './admit.js';
import { sendFailure, sendResult } from './answer.js';
import { deliveryOf } from './delivery.js';
import { type Received, receive } from './receive.js';
import { timingHeaders } from './server-timing.js';
import type { Service } from './service.js';
import { readDeadline, TimeLimit } from './time-limit.js';

/** POST /run (section 3): lets the activation in, hands it to whoever runs it, answers what comes back. */
export async function handleRun(exchange: Exchange, service: Service): Promise<void> {
  const received = await receive(exchange, service);
  if (received === undefined) return;
  const delivery = deliveryOf(service, received);
  const answer = await activate(received, service, (traced, time) => service.runner.run(traced, time));
  wipe(received.body);
  const headers = timingHeaders(answer.timing, service.config);
  if (answer.result !== undefined) sendResult(exchange, answer.result, headers, delivery);
  else sendFailure(exchange, answer.failure ?? { code: 'internal' }, undefined, headers);
}

/** An activation that has been answered; without a timing it turned out to be none. */
export interface Activated extends RunAnswer {
  readonly timing?: ActivationTiming;
}

/** Runs a request that has been let in, with the trace context that the action is to see. */
type Execute = (request: Received, time: TimeLimit | undefined) => Promise<RunAnswer>;

/**
 * One activation from its arrival to its answer, counted, traced and logged.
 *
 * @param execute runs it, once it has been let in; may throw where a worker died with it
 */
export async function activate(received: Received, service: Service, execute: Execute): Promise<Activated> {
  const { receivedMs, hold } = received;
  const span = service.tracing?.begin(received);
  let request = span === undefined ? received : { ...received, trace: span.trace };
  service.lag?.touch();
  const bodyBytes = received.body.byteLength;
  let deadlineEpochMs: number | undefined;
  if (service.deadlineIn !== undefined) {
    const read = await deadlineOf(received.body, service);
    if (read === undefined) {
      hold.release();
      return told(LOST, 0, request, service, span);
    }
    request = { ...request, body: read.body };
    deadlineEpochMs = read.deadlineEpochMs;
  }
  const time = TimeLimit.of(service.config, service.clock, deadlineEpochMs);
  const refusal = await admit(service, time);
  if (refusal !== undefined) {
    hold.release();
    const failure = time === undefined ? refusal : { ...refusal, detail: time.describe() };
    if (failure.code === 'run_timeout') await service.oweSentinels();
    return told({ failure, facts: NOTHING_RAN }, performance.now() - receivedMs, request, service, span);
  }
  const sweep = service.leftovers?.begin();
  let isDone = true;
  try {
    const queuedMs = performance.now() - receivedMs;
    const answer = await attempt(execute, request, time, service);
    // The body is needed on.
    isDone = answer.bringsInit === undefined;
    if (!isDone) return answer;
    return told(answer, queuedMs, request, service, span);
  } finally {
    sweep?.();
    service.admission.leave();
    if (isDone) hold.release();
    buffersPassed(bodyBytes);
  }
}

const NOTHING_RAN = { logBytes: 0, argumentBytes: 0 };
const LOST: RunAnswer = { failure: { code: 'worker_lost' }, facts: NOTHING_RAN };

/** Reads the platform's deadline; undefined if a worker died with the body, and then the sentinels are written. */
async function deadlineOf(body: Uint8Array, service: Service): Promise<DeadlineAnswer | undefined> {
  // It is under way, though not yet let in.
  service.begin();
  try {
    return await readDeadline(body, service.deadlineIn, service.pool);
  } catch (error) {
    service.log.fault('an activation failed inside the runtime', error);
    await service.oweSentinels();
    return undefined;
  } finally {
    service.end();
  }
}

function told(
  answer: RunAnswer,
  queueMs: number,
  { receivedMs, trace, requestId }: Received,
  service: Service,
  span: ActivationSpan | undefined,
): Activated {
  const { startMs, runMs } = answer.facts;
  const timing: ActivationTiming = {
    queueMs,
    ...(startMs !== undefined && { startMs }),
    ...(runMs !== undefined && { runMs }),
    totalMs: performance.now() - receivedMs,
  };
  const traceId = trace && traceIdOf(trace);
  service.metrics?.observeRun(answer, timing, traceId);
  service.log.run(answer, traceId, requestId);
  if (answer.facts.logIncomplete) {
    const { activationId, logBytesDropped = 0 } = answer.facts;
    service.log.warn('answered before the log was written: its reader stands still', {
      ...(activationId !== undefined && { activationId }),
      logBytesDropped,
    });
  }
  span?.end(answer, timing);
  if (answer.result !== undefined) buffersPassed(answer.result.byteLength);
  return { ...answer, timing };
}

/** So long after the time limit and the grace of its processes the supervisor of an activation may still answer. */
const MAX_SUPERVISOR_DELAY_MS = 2000;

async function attempt(
  execute: Execute,
  request: Received,
  time: TimeLimit | undefined,
  service: Service,
): Promise<RunAnswer> {
  const beyondMs = service.config.timeoutGraceMs + MAX_SUPERVISOR_DELAY_MS;
  let givenUp = false;
  try {
    const answer = await service.pending.of(
      execute(request, time),
      (reason): RunAnswer => {
        givenUp = true;
        return {
          failure: { code: reason === 'time' ? 'run_timeout' : 'run_shutdown_killed' },
          facts: NOTHING_RAN,
        };
      },
      time && ((passed) => service.clock.alarm(time.leftAnd(beyondMs), passed)),
    );
    if (givenUp) {
      service.log.fault('an activation was given up', new Error('its supervisor does not answer'));
      await service.oweSentinels();
    }
    if (answer.failure?.code !== 'run_timeout' || time === undefined) return answer;
    return { ...answer, failure: { ...answer.failure, detail: time.describe() } };
  } catch (error) {
    service.log.fault('an activation failed inside the runtime', error);
    await service.oweSentinels();
    return LOST;
  }
}
