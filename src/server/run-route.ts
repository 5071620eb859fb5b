import type { Request, Response } from 'hyper-express';
import { traceIdOf } from '../contract/trace-context.js';
import { wipe } from '../contract/wipe.js';
import type { ActivationTiming } from '../metrics/recorder.js';
import type { RunAnswer } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import type { ActivationSpan } from '../tracing/tracing.js';
import { admit } from './admit.js';
import { sendFailure, sendResult } from './answer.js';
import { type Received, receive } from './receive.js';
import { timingHeaders } from './server-timing.js';
import type { Service } from './service.js';
import { TimeLimit } from './time-limit.js';

/** POST /run (section 3): lets the activation in, hands it to whoever runs it, answers what comes back. */
export async function handleRun(request: Request, response: Response, service: Service): Promise<void> {
  const received = await receive(request, response, service);
  if (received === undefined) return;
  const answer = await activate(received, service, (traced, time) => service.runner.run(traced, time));
  wipe(received.body);
  const headers = timingHeaders(answer.timing, service.config);
  if (answer.result !== undefined) sendResult(request, response, answer.result, headers);
  else sendFailure(request, response, answer.failure ?? { code: 'internal' }, undefined, headers);
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
  const { body, receivedMs } = received;
  const span = service.tracing?.begin(received);
  const request = span === undefined ? received : { ...received, trace: span.trace };
  service.lag?.touch();
  const bodyBytes = body.byteLength;
  const time = TimeLimit.of(body, service.config, service.clock, service.deadlineIn);
  const refusal = await admit(service, time);
  if (refusal !== undefined) {
    const failure = time === undefined ? refusal : { ...refusal, detail: time.describe() };
    if (failure.code === 'run_timeout') await service.oweSentinels();
    return told({ failure, facts: NOTHING_RAN }, performance.now() - receivedMs, request, service, span);
  }
  const sweep = service.leftovers?.begin();
  try {
    const queuedMs = performance.now() - receivedMs;
    const answer = await attempt(execute, request, time, service);
    if (answer.bringsInit !== undefined) return answer;
    return told(answer, queuedMs, request, service, span);
  } finally {
    sweep?.();
    service.admission.leave();
    buffersPassed(bodyBytes);
  }
}

const NOTHING_RAN = { logBytes: 0, argumentBytes: 0 };

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
  span?.end(answer, timing);
  if (answer.result !== undefined) buffersPassed(answer.result.byteLength);
  return { ...answer, timing };
}

async function attempt(
  execute: Execute,
  request: Received,
  time: TimeLimit | undefined,
  service: Service,
): Promise<RunAnswer> {
  try {
    const answer = await execute(request, time);
    if (answer.failure?.code !== 'run_timeout' || time === undefined) return answer;
    return { ...answer, failure: { ...answer.failure, detail: time.describe() } };
  } catch (error) {
    service.log.fault('an activation failed inside the runtime', error);
    await service.oweSentinels();
    return { failure: { code: 'worker_lost' }, facts: NOTHING_RAN };
  }
}
