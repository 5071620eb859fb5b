import type { Config } from '../config/load.js';
import type { Answer, Delivery, Exchange } from '../http/exchange.js';
import type { ActivationTiming } from '../observability/metrics/recorder.js';
import type { AnswerFailure, Header, InitWarning } from '../protocol/answer.js';
import { type ErrorCode, errorRowOf, textOfFailure } from '../protocol/errors.js';
import type { ShapedAnswer } from '../protocol/knative/response.js';
import type { Received } from '../protocol/received.js';
import { recordAborted, type ServerContext } from './server-context.js';

const JSON_TYPE = 'application/json';
/** Seconds after which a refused caller may try again. */
const RETRY_AFTER_SECONDS = '1';
const RETRYABLE: ReadonlySet<ErrorCode> = new Set(['overloaded', 'buffers_full']);
/** After these the connection is of no use: the server goes away, or what follows can't be told from the body. */
const CONNECTION_ENDING: ReadonlySet<ErrorCode> = new Set([
  'draining',
  'malformed_request',
  'request_timeout',
  'head_too_large',
  'http_version',
]);

/** Sends a text of the server's own. */
export function sendText(
  exchange: Exchange,
  status: number,
  type: string,
  body: string,
  headers: readonly Header[] = [],
): void {
  exchange.answer({ status, type, body, headers });
}

/** Marks a successful init that is probably a mistake, as a word; the log has the sentence. */
export function warningHeaders(warning: InitWarning | undefined): readonly Header[] {
  return warning === undefined ? [] : [['X-Hyperskeleton-Warning', warning.reason]];
}

/** Sends an answer as the action shaped it (C-KN-17); a 204 or 304 has no body (RFC 9110, 6.4.1). */
export function sendShaped(
  exchange: Exchange,
  { status, headers, body }: ShapedAnswer,
  further: readonly Header[],
  delivery: Delivery,
): void {
  const isWithoutBody = status === 204 || status === 304;
  exchange.answer({ status, headers, further, delivery, ...(!isWithoutBody && { body }) });
}

/** Answers OPTIONS (C-SRV-04). */
export function sendAllow(exchange: Exchange, allow: string): void {
  exchange.answer({ status: 200, type: 'text/plain', body: '', headers: [['Allow', allow]] });
}

/** Sends a result: its own bytes (C-RUN-22). */
export function sendResult(
  exchange: Exchange,
  result: Uint8Array,
  headers: readonly Header[],
  delivery: Delivery,
): void {
  exchange.answer({ status: 200, type: JSON_TYPE, body: result, headers, delivery });
}

/** Sends a failure: {@link failureAnswer}. */
export function sendFailure(
  exchange: Exchange,
  failure: AnswerFailure,
  allow?: string,
  further: readonly Header[] = [],
): void {
  exchange.answer(failureAnswer(failure, allow, further));
}

/**
 * The answer to a failure: `{"error": text}`, and headers that tell whose fault it is and what its cause, what of it is
 * an answer of the runtime's own (C-LOG-01), and what exactly was wrong with an `exec` that could not be started.
 *
 * @param allow the methods that the path takes, with a 405
 * @param further headers besides
 */
export function failureAnswer(
  failure: AnswerFailure,
  allow?: string,
  further: readonly Header[] = [],
): Answer {
  const { status, fault, refusal } = errorRowOf(failure.code);
  const headers: Header[] = [
    ...further,
    ['X-Hyperskeleton-Fault', fault],
    ['X-Hyperskeleton-Cause', failure.code],
  ];
  if (fault !== 'action' || refusal) headers.push(['X-Hyperskeleton-Error', failure.code]);
  if (failure.reason !== undefined) headers.push(['X-Hyperskeleton-Reason', failure.reason]);
  if (RETRYABLE.has(failure.code)) headers.push(['Retry-After', RETRY_AFTER_SECONDS]);
  if (allow !== undefined) headers.push(['Allow', allow]);
  const body = JSON.stringify({ error: textOfFailure(failure) });
  return { status, type: JSON_TYPE, body, headers, closes: CONNECTION_ENDING.has(failure.code) };
}

/** The header that tells how long the phases of an activation took (W3C Server Timing), where it is asked for. */
export function timingHeaders(timing: ActivationTiming | undefined, { serverTiming }: Config): Header[] {
  if (!serverTiming || timing === undefined) return [];
  const { queueMs, startMs, runMs, totalMs } = timing;
  const phases: [name: string, ms: number | undefined][] = [
    ['queue', queueMs],
    ['start', startMs],
    ['run', runMs],
    ['total', totalMs],
  ];
  const reported = phases.flatMap(([name, ms]) => (ms === undefined ? [] : [`${name};dur=${ms.toFixed(3)}`]));
  return [['Server-Timing', reported.join(', ')]];
}

/**
 * Watches over a large answer while it is sent: it counts against the common budget, a shutdown waits for it, and one
 * that is cut is counted and logged.
 */
export function deliveryOf(context: ServerContext, { receivedMs, requestId }: Received): Delivery {
  const reservation = context.budget.reserve();
  return {
    begins: (bytes) => {
      reservation.setUnchecked(bytes);
      context.work.begin();
    },
    ends: (isWhole, sentBytes) => {
      reservation.release();
      context.work.end();
      if (!isWhole)
        recordAborted(context, 'answer', { sentBytes, ms: performance.now() - receivedMs }, requestId);
    },
  };
}
