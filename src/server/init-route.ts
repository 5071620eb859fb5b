import { traceIdOf } from '../contract/trace-context.js';
import { wipe } from '../contract/wipe.js';
import { rowOf } from '../errors/table.js';
import type { Exchange } from '../http/exchange.js';
import type { InitAnswer } from '../pool/messages.js';
import { buffersPassed } from '../process/memory-relief.js';
import { sendFailure, sendText } from './answer.js';
import { type Received, receive } from './receive.js';
import type { Service } from './service.js';

/** POST /init (section 2): hands the body on, in its turn. */
export async function handleInit(exchange: Exchange, service: Service): Promise<void> {
  const received = await receive(exchange, service);
  if (received === undefined) return;
  const { failure } = await initialise(received, service, () => service.runner.init(received.body));
  wipe(received.body);
  if (failure !== undefined) sendFailure(exchange, failure);
  else sendText(exchange, 200, service.runner.initialised.type, service.runner.initialised.body);
}

/**
 * One init from its arrival to its answer, counted and logged.
 *
 * @param install does it, when its turn has come and no other has succeeded before
 * @param refuse answers it when another has
 */
export async function initialise(
  request: Received,
  service: Service,
  install: () => Promise<InitAnswer>,
  refuse: () => Promise<InitAnswer> = () => service.runner.refuseInit(),
): Promise<InitAnswer> {
  const { receivedMs, trace, requestId } = request;
  const bodyBytes = request.body.byteLength;
  let turnMs = request.completeMs;
  const inTurn = (work: () => Promise<InitAnswer>) => () => {
    turnMs = performance.now();
    return work();
  };
  service.begin();
  try {
    const answer = await attempt(bodyBytes, service, inTurn(install), inTurn(refuse));
    const answeredMs = performance.now();
    service.metrics?.observeInit(answer, answeredMs - receivedMs);
    service.log.init(answer, trace && traceIdOf(trace), requestId);
    service.tracing?.initialised(request, answer, { turnMs, answeredMs });
    return answer;
  } finally {
    service.end();
    request.hold.release();
    buffersPassed(bodyBytes);
  }
}

async function attempt(
  codeBytes: number,
  service: Service,
  install: () => Promise<InitAnswer>,
  refuse: () => Promise<InitAnswer>,
): Promise<InitAnswer> {
  try {
    return await service.pending.of(service.action.init(install, refuse), () => ({
      failure: { code: 'draining' },
      durationMs: 0,
      codeBytes,
    }));
  } catch (error) {
    service.log.fault('an init failed inside the runtime', error);
    const failure = { code: 'worker_lost' } as const;
    if (rowOf(failure.code).sentinels) await service.oweSentinels();
    return { failure, durationMs: 0, codeBytes };
  }
}
