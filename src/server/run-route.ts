import type { Request, Response } from 'hyper-express';
import type { RunAnswer } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import { admit } from './admit.js';
import { sendFailure, sendResult } from './answer.js';
import { type Received, receive } from './receive.js';
import type { Service } from './service.js';
import { TimeLimit } from './time-limit.js';

/** POST /run (section 3): lets the activation in, hands it to whoever runs it, answers what comes back. */
export async function handleRun(request: Request, response: Response, service: Service): Promise<void> {
  const received = await receive(request, response, service);
  if (received === undefined) return;
  const answer = await activate(received, service, (time) => service.runner.run(received, time));
  if (answer.result === undefined) sendFailure(request, response, answer.failure ?? { code: 'internal' });
  else sendResult(request, response, answer.result);
}

/**
 * One activation from its arrival to its answer, counted and logged.
 *
 * @param execute runs it, once it has been let in; may throw where a worker died with it
 */
export async function activate(
  received: Received,
  service: Service,
  execute: (time: TimeLimit | undefined) => Promise<RunAnswer>,
): Promise<RunAnswer> {
  const { body, receivedMs } = received;
  const bodyBytes = body.byteLength;
  const time = TimeLimit.of(body, service.config, service.clock);
  const refusal = await admit(service, time);
  if (refusal !== undefined) {
    const failure = time === undefined ? refusal : { ...refusal, detail: time.describe() };
    if (failure.code === 'run_timeout') await service.oweSentinels();
    return told({ failure, facts: NOTHING_RAN }, performance.now() - receivedMs, received, service);
  }
  const sweep = service.leftovers?.begin();
  try {
    const queuedMs = performance.now() - receivedMs;
    const answer = await attempt(execute, time, service);
    if (answer.bringsInit !== undefined) return answer;
    return told(answer, queuedMs, received, service);
  } finally {
    sweep?.();
    service.admission.leave();
    buffersPassed(bodyBytes);
  }
}

const NOTHING_RAN = { logBytes: 0, argumentBytes: 0 };

function told(answer: RunAnswer, queuedMs: number, received: Received, service: Service): RunAnswer {
  const { receivedMs, traceparent, requestId } = received;
  service.metrics.observeRun(answer, queuedMs, performance.now() - receivedMs, traceparent);
  service.log.run(answer, traceparent, requestId);
  if (answer.result !== undefined) buffersPassed(answer.result.byteLength);
  return answer;
}

async function attempt(
  execute: (time: TimeLimit | undefined) => Promise<RunAnswer>,
  time: TimeLimit | undefined,
  service: Service,
): Promise<RunAnswer> {
  try {
    const answer = await execute(time);
    if (answer.failure?.code !== 'run_timeout' || time === undefined) return answer;
    return { ...answer, failure: { ...answer.failure, detail: time.describe() } };
  } catch (error) {
    service.log.fault('an activation failed inside the runtime', error);
    await service.oweSentinels();
    return { failure: { code: 'worker_lost' }, facts: NOTHING_RAN };
  }
}
