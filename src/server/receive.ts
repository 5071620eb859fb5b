import type { Exchange } from '../http/exchange.js';
import type { Received } from '../protocol/received.js';
import { parseTraceContext } from '../protocol/trace-context.js';
import { sendFailure } from './answer.js';
import { receiveBody } from './request-body.js';
import { recordAborted, recordRefusal, type ServerContext } from './server-context.js';

/** Longer ids are cut in the log. */
const MAX_ID_CHARACTERS = 128;

/** The caller's X-Request-Id, as long as the log takes it. Must be called before the handler's first await. */
export function requestIdOf(exchange: Exchange): string | undefined {
  return exchange.header('x-request-id')?.slice(0, MAX_ID_CHARACTERS);
}

/**
 * Receives a request, or answers why it is not taken: a shutdown, a body whose end nobody can tell, one that
 * is too large, or too large for now. Must be called before the handler's first await.
 *
 * @returns undefined if the request has been answered, or did not come whole (C-SRV-12)
 */
export async function receive(exchange: Exchange, context: ServerContext): Promise<Received | undefined> {
  if (context.draining) {
    recordRefusal(context, 'draining', requestIdOf(exchange));
    sendFailure(exchange, { code: 'draining' });
    return undefined;
  }
  const receivedMs = performance.now();
  const trace = parseTraceContext(
    exchange.header('traceparent'),
    exchange.header('tracestate') && tracestateOf(exchange),
  );
  const requestId = requestIdOf(exchange);
  const { budget, maxBodyBytes } = context;
  const aborted = (during: 'body' | 'run', receivedBytes: number): void =>
    recordAborted(context, during, { receivedBytes, ms: performance.now() - receivedMs }, requestId);
  let bodyBytes = 0;
  const received = await receiveBody(exchange, budget, maxBodyBytes, () => aborted('run', bodyBytes));
  if ('problem' in received) {
    const { problem } = received;
    if (problem === 'gone') {
      aborted('body', received.receivedBytes);
      return undefined;
    }
    const code = REFUSALS[problem];
    recordRefusal(context, code, requestId);
    const detail = problem === 'malformed' ? 'nobody can tell where its body ends' : String(maxBodyBytes);
    sendFailure(exchange, { code, detail });
    return undefined;
  }
  const { body, reservation } = received;
  // The shutdown may have begun, and ended its wait, while the body came.
  if (context.draining) {
    reservation.release();
    recordRefusal(context, 'draining', requestId);
    sendFailure(exchange, { code: 'draining' });
    return undefined;
  }
  bodyBytes = body.byteLength;
  return { body, reservation, receivedMs, completeMs: performance.now(), trace, requestId };
}

const REFUSALS = {
  malformed: 'malformed_request',
  stalled: 'request_timeout',
  'too-large': 'body_too_large',
  'buffers-full': 'buffers_full',
} as const;

/** All headers of that name as one (RFC 9110, 5.3). */
function tracestateOf(exchange: Exchange): string {
  const lines: string[] = [];
  exchange.eachHeader((name, value) => {
    if (name === 'tracestate') lines.push(value);
  });
  return lines.join(',');
}
