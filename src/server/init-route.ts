import type { Request, Response } from 'hyper-express';
import { rowOf } from '../errors/table.js';
import type { InitAnswer } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import { sendFailure, sendText } from './answer.js';
import { receiveBody } from './request-body.js';
import type { Service } from './service.js';

/** POST /init (section 2): hands the body to a worker, in its turn. */
export async function handleInit(request: Request, response: Response, service: Service): Promise<void> {
  if (service.draining) return sendFailure(request, response, { code: 'draining' });
  const receivedMs = performance.now();
  const body = await receiveBody(request, response, service.config.maxBodyBytes);
  if (body === 'malformed') return sendFailure(request, response, { code: 'malformed_request' });
  if (body === 'too-large') {
    return sendFailure(request, response, {
      code: 'body_too_large',
      detail: String(service.config.maxBodyBytes),
    });
  }
  // The shutdown may have begun, and ended its wait, while the body came.
  if (service.draining) return sendFailure(request, response, { code: 'draining' });
  const bodyBytes = body.byteLength;
  service.begin();
  try {
    const answer = await initialise(body, service);
    service.metrics.observeInit(answer, performance.now() - receivedMs);
    service.log.init(answer);
    if (answer.failure !== undefined) sendFailure(request, response, answer.failure);
    else sendText(request, response, 200, 'text/html; charset=utf-8', 'OK');
  } finally {
    service.end();
    buffersPassed(bodyBytes);
  }
}

async function initialise(body: Uint8Array, service: Service): Promise<InitAnswer> {
  try {
    return await service.action.init(
      () => service.pool.init({ kind: 'init', body }),
      () => service.pool.init({ kind: 'refuse-init' }),
    );
  } catch (error) {
    service.log.fault('an init failed inside the runtime', error);
    const failure = { code: 'worker_lost' } as const;
    if (rowOf(failure.code).sentinels) await service.oweSentinels();
    return { failure, durationMs: 0, codeBytes: body.byteLength };
  }
}
