import type { Request, Response } from 'hyper-express';
import { type TraceContext, traceContextIn } from '../contract/trace-context.js';
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
export function requestIdOf(request: Request): string | undefined {
  return request.headers['x-request-id']?.slice(0, LONGEST_ID);
}

/**
 * Receives a request, or answers why it is not taken: a shutdown, a body whose end nobody can tell, one that
 * is too large, or too large for now. Must be called before the handler's first await.
 *
 * @returns undefined if the request has been answered, or did not come whole (C-SRV-12)
 */
export async function receive(
  request: Request,
  response: Response,
  service: Service,
): Promise<Received | undefined> {
  if (service.draining) {
    service.refused('draining', requestIdOf(request));
    sendFailure(request, response, { code: 'draining' });
    return undefined;
  }
  const receivedMs = performance.now();
  const { headers } = request;
  const trace = traceContextIn(headers.traceparent, headers.tracestate && tracestateOf(request));
  const requestId = requestIdOf(request);
  const { budget, maxBodyBytes } = service;
  const aborted = (during: 'body' | 'run', receivedBytes: number): void =>
    service.aborted(during, { receivedBytes, ms: performance.now() - receivedMs }, requestId);
  let bodyBytes = 0;
  const received = await receiveBody(request, response, budget, maxBodyBytes, () =>
    aborted('run', bodyBytes),
  );
  if ('problem' in received) {
    const { problem } = received;
    if (problem === 'aborted') {
      aborted('body', received.receivedBytes);
      return undefined;
    }
    const code = REFUSALS[problem];
    service.refused(code, requestId);
    sendFailure(request, response, { code, detail: String(maxBodyBytes) });
    return undefined;
  }
  const { body, hold } = received;
  // The shutdown may have begun, and ended its wait, while the body came.
  if (service.draining) {
    hold.release();
    service.refused('draining', requestId);
    sendFailure(request, response, { code: 'draining' });
    return undefined;
  }
  bodyBytes = body.byteLength;
  return { body, hold, receivedMs, completeMs: performance.now(), trace, requestId };
}

const REFUSALS = {
  malformed: 'malformed_request',
  'too-large': 'body_too_large',
  'buffers-full': 'buffers_full',
} as const;

/** All headers of that name as one (RFC 9110, 5.3): the framework keeps only the last. */
function tracestateOf(request: Request): string {
  const lines: string[] = [];
  request.raw.forEach((name, value) => {
    if (name === 'tracestate') lines.push(value);
  });
  return lines.join(',');
}
