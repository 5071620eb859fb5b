import type { Request, Response } from 'hyper-express';
import type { RunAnswer } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import { sendFailure, sendResult } from './answer.js';
import { receiveBody } from './request-body.js';
import type { Service } from './service.js';

/** POST /run (section 3): lets the activation in, hands it to a worker, answers what comes back. */
export async function handleRun(request: Request, response: Response, service: Service): Promise<void> {
  if (service.draining) return sendFailure(request, response, { code: 'draining' });
  const receivedMs = performance.now();
  const body = await receiveBody(request, response, service.config.maxBodyBytes);
  if (body === 'malformed') return sendFailure(request, response, { code: 'malformed_request' });
  if (body === 'too-large') {
    service.metrics.countRefusal('body_too_large');
    return sendFailure(request, response, {
      code: 'body_too_large',
      detail: String(service.config.maxBodyBytes),
    });
  }
  // The shutdown may have begun, and ended its wait, while the body came.
  if (service.draining) return sendFailure(request, response, { code: 'draining' });
  const bodyBytes = body.byteLength;
  const admitted = service.admission.enter();
  if (admitted === false) {
    service.metrics.countRefusal('overloaded');
    return sendFailure(request, response, { code: 'overloaded' });
  }
  if (admitted !== true) await admitted;
  try {
    // An init under way is waited for; its outcome is its own caller's business.
    if (service.action.blocking !== undefined) await service.action.blocking;
    const queuedMs = performance.now() - receivedMs;
    const answer = await activate(body, service);
    service.metrics.observeRun(answer, queuedMs, performance.now() - receivedMs);
    service.log.run(answer);
    if (answer.result !== undefined) {
      sendResult(request, response, answer.result);
      buffersPassed(answer.result.byteLength);
    } else {
      sendFailure(request, response, answer.failure ?? { code: 'internal' });
    }
  } finally {
    service.admission.leave();
    buffersPassed(bodyBytes);
  }
}

async function activate(body: Uint8Array, service: Service): Promise<RunAnswer> {
  try {
    return await service.pool.run({ kind: 'run', body, ...service.action.current });
  } catch (error) {
    service.log.fault('an activation failed inside the runtime', error);
    await service.oweSentinels();
    return { failure: { code: 'worker_lost' }, facts: { logBytes: 0, argumentBytes: 0 } };
  }
}
