import { type TraceContext, traceContextIn } from '../contract/trace-context.js';
import type { Exchange } from '../http/exchange.js';
import type { ByteHold } from '../pool/byte-budget.js';
import { sendFailure } from './answer.js';
import { receiveBody } from './request-body.js';
import type { Service } from './service.js';

/** A request that has been received whole. */
export interface Received {
  readonly body: Uint8Array;
  /** What its body takes of the common budget; released when the request has been answered. */
  readonly hold: ByteHold;
  /** When its head had come, by performance.now(). */
  readonly receivedMs: number;
  /** When its body had come, too. */
  readonly completeMs: number;
  /** The W3C trace context, where the request has a valid one. */
  readonly trace: TraceContext | undefined;
  /** The caller's X-Request-Id, for the log. */
  readonly requestId: string | undefined;
}

/** Longer ids are cut in the log. */
const LONGEST_ID = 128;

/** The caller's X-Request-Id, as long as the log takes it. Must be called before the handler's first await. */
export function requestIdOf(exchange: Exchange): string | undefined {
  return exchange.header('x-request-id')?.slice(0, LONGEST_ID);
}

/**
 * Receives a request, or answers why it is not taken: a shutdown, a body whose end nobody can tell, one that
 * is too large, or too large for now. Must be called before the handler's first await.
 *
 * @returns undefined if the request has been answered, or did not come whole (C-SRV-12)
 */
export async function receive(exchange: Exchange, service: Service): Promise<Received | undefined> {
  if (service.draining) {
    service.refused('draining', requestIdOf(exchange));
    sendFailure(exchange, { code: 'draining' });
    return undefined;
  }
  const receivedMs = performance.now();
  const trace = traceContextIn(
    exchange.header('traceparent'),
    exchange.header('tracestate') && tracestateOf(exchange),
  );
  const requestId = requestIdOf(exchange);
  const { budget, maxBodyBytes } = service;
  const aborted = (during: 'body' | 'run', receivedBytes: number): void =>
    service.aborted(during, { receivedBytes, ms: performance.now() - receivedMs }, requestId);
  let bodyBytes = 0;
  const received = await receiveBody(exchange, budget, maxBodyBytes, () => aborted('run', bodyBytes));
  if ('problem' in received) {
    const { problem } = received;
    if (problem === 'gone') {
      aborted('body', received.receivedBytes);
      return undefined;
    }
    const code = REFUSALS[problem];
    service.refused(code, requestId);
    const detail = problem === 'malformed' ? 'nobody can tell where its body ends' : String(maxBodyBytes);
    sendFailure(exchange, { code, detail });
    return undefined;
  }
  const { body, hold } = received;
  // The shutdown may have begun, and ended its wait, while the body came.
  if (service.draining) {
    hold.release();
    service.refused('draining', requestId);
    sendFailure(exchange, { code: 'draining' });
    return undefined;
  }
  bodyBytes = body.byteLength;
  return { body, hold, receivedMs, completeMs: performance.now(), trace, requestId };
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
