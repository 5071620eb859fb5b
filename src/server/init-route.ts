import type { Exchange } from '../http/exchange.js';
import { scheduleIdleGc } from '../os/idle-gc.js';
import type { InitAnswer } from '../protocol/answer.js';
import { errorRowOf } from '../protocol/errors.js';
import type { Received } from '../protocol/received.js';
import { traceIdOf } from '../protocol/trace-context.js';
import { wipe } from '../protocol/wipe.js';
import { sendFailure, sendText, warningHeaders } from './answer.js';
import { receive } from './receive.js';
import { type ServerContext, writeMissingSentinels } from './server-context.js';

/** POST /init (C-INIT-01 to C-INIT-28): hands the body on, in its turn. */
export async function handleInit(exchange: Exchange, context: ServerContext): Promise<void> {
  const received = await receive(exchange, context);
  if (received === undefined) return;
  const { failure, warning } = await initialise(received, context, () =>
    context.executor.init(received.body),
  );
  wipe(received.body);
  if (failure !== undefined) sendFailure(exchange, failure);
  else {
    const { type, body } = context.executor.initResponse;
    sendText(exchange, 200, type, body, warningHeaders(warning));
  }
}

/**
 * One init from its arrival to its answer, counted and logged.
 *
 * @param install does it, when its turn has come and no other has succeeded before
 * @param refuse answers it when another has
 */
export async function initialise(
  request: Received,
  context: ServerContext,
  install: () => Promise<InitAnswer>,
  refuse: () => Promise<InitAnswer> = () => context.executor.refuseInit(),
): Promise<InitAnswer> {
  const { receivedMs, trace, requestId } = request;
  const bodyBytes = request.body.byteLength;
  let turnMs = request.completeMs;
  const inTurn = (work: () => Promise<InitAnswer>) => () => {
    turnMs = performance.now();
    return work();
  };
  context.work.begin();
  try {
    const answer = await attempt(bodyBytes, context, inTurn(install), inTurn(refuse));
    if (answer.failure === undefined) context.memory?.reset();
    const answeredMs = performance.now();
    context.metrics?.observeInit(answer, answeredMs - receivedMs);
    context.log.logInit(answer, trace && traceIdOf(trace), requestId);
    context.tracing?.initialised(request, answer, { turnMs, answeredMs });
    return answer;
  } finally {
    context.work.end();
    request.reservation.release();
    scheduleIdleGc(bodyBytes);
  }
}

async function attempt(
  codeBytes: number,
  context: ServerContext,
  install: () => Promise<InitAnswer>,
  refuse: () => Promise<InitAnswer>,
): Promise<InitAnswer> {
  try {
    return await context.pending.wait(context.action.init(install, refuse), () => ({
      failure: { code: 'draining' },
      durationMs: 0,
      codeBytes,
    }));
  } catch (error) {
    context.log.logFault('an init failed inside the runtime', error);
    const failure = { code: 'worker_lost' } as const;
    if (errorRowOf(failure.code).sentinels) await writeMissingSentinels(context);
    return { failure, durationMs: 0, codeBytes };
  }
}
