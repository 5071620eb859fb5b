import { STATUS_CODES } from 'node:http';
import type { Request, Response } from 'hyper-express';
import { type ErrorCode, rowOf, textOfFailure } from '../errors/table.js';
import type { AnswerFailure, Header, ShapedAnswer } from '../pool/messages.js';

const JSON_TYPE = 'application/json';
/** Seconds after which a refused caller may try again. */
const RETRY_AFTER_SECONDS = '1';
/** After these the connection is of no use: the server goes away, or what follows can't be told from the body. */
const CLOSING: ReadonlySet<ErrorCode> = new Set(['draining', 'malformed_request']);

/** One answer, whole. */
interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: Uint8Array | string;
  readonly headers?: readonly Header[];
  readonly closes?: boolean;
}

/**
 * Sends an answer in one write, with Content-Length (C-SRV-07); nothing where the client has gone.
 *
 * It goes to uWebSockets directly: the framework would hold the end of an answer back until the whole body
 * of the request has come, and send a body with the answer to HEAD. What still comes of a body is ignored.
 */
function send(
  request: Request,
  response: Response,
  { status, type, body, headers = [], closes }: Answer,
): void {
  if (response.completed) return;
  response.completed = true;
  const { raw } = response;
  raw.cork(() => {
    raw.writeStatus(`${status} ${STATUS_CODES[status]}`);
    raw.writeHeader('Content-Type', type);
    for (const [name, value] of headers) raw.writeHeader(name, value);
    if (closes) raw.writeHeader('Connection', 'close');
    // A body with the answer to HEAD would be taken for the next answer.
    raw.end(request.method === 'HEAD' ? '' : body, closes);
  });
}

/** Sends a text of the server's own. */
export function sendText(
  request: Request,
  response: Response,
  status: number,
  type: string,
  body: string,
): void {
  send(request, response, { status, type, body });
}

/** Sends an answer as the action shaped it (C-KN-17); a 204 or 304 has no body (RFC 9110, 6.4.1). */
export function sendShaped(
  request: Request,
  response: Response,
  { status, headers, body }: ShapedAnswer,
  further: readonly Header[],
): void {
  if (response.completed) return;
  response.completed = true;
  const { raw } = response;
  raw.cork(() => {
    raw.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
    for (const [name, value] of headers) raw.writeHeader(name, value);
    for (const [name, value] of further) raw.writeHeader(name, value);
    if (status === 204 || status === 304) raw.endWithoutBody();
    else raw.end(request.method === 'HEAD' ? '' : body);
  });
}

/** Answers OPTIONS (C-SRV-04). */
export function sendAllow(request: Request, response: Response, allow: string): void {
  send(request, response, { status: 200, type: 'text/plain', body: '', headers: [['Allow', allow]] });
}

/** Sends a result: its own bytes (C-RUN-22). */
export function sendResult(
  request: Request,
  response: Response,
  result: Uint8Array,
  headers: readonly Header[],
): void {
  send(request, response, { status: 200, type: JSON_TYPE, body: result, headers });
}

/**
 * Sends a failure: `{"error": text}`, and headers that tell whose fault it is and what its cause, what of it is
 * an answer of the runtime's own (D-10), and what exactly was wrong with an `exec` that could not be started.
 *
 * @param allow the methods that the path takes, with a 405
 * @param further headers besides
 */
export function sendFailure(
  request: Request,
  response: Response,
  failure: AnswerFailure,
  allow?: string,
  further: readonly Header[] = [],
): void {
  const { status, fault, refusal } = rowOf(failure.code);
  const headers: Header[] = [
    ...further,
    ['X-Hyperskeleton-Fault', fault],
    ['X-Hyperskeleton-Cause', failure.code],
  ];
  if (fault !== 'action' || refusal) headers.push(['X-Hyperskeleton-Error', failure.code]);
  if (failure.reason !== undefined) headers.push(['X-Hyperskeleton-Reason', failure.reason]);
  if (failure.code === 'overloaded') headers.push(['Retry-After', RETRY_AFTER_SECONDS]);
  if (allow !== undefined) headers.push(['Allow', allow]);
  const body = JSON.stringify({ error: textOfFailure(failure) });
  send(request, response, { status, type: JSON_TYPE, body, headers, closes: CLOSING.has(failure.code) });
}
