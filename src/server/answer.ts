import { STATUS_CODES } from 'node:http';
import type { Request, Response } from 'hyper-express';
import { type ErrorCode, rowOf, textOfFailure } from '../errors/table.js';
import type { AnswerFailure, Header, ShapedAnswer } from '../pool/messages.js';
import { free } from '../process/memory-relief.js';

const JSON_TYPE = 'application/json';
/** Seconds after which a refused caller may try again. */
const RETRY_AFTER_SECONDS = '1';
const RETRIED: ReadonlySet<ErrorCode> = new Set(['overloaded', 'buffers_full']);
/** After these the connection is of no use: the server goes away, or what follows can't be told from the body. */
const CLOSING: ReadonlySet<ErrorCode> = new Set(['draining', 'malformed_request']);

/** A larger body is sent as the caller takes it, and not copied. */
const MAX_BYTES_AT_ONCE = 64 * 1024;

/** Takes what still comes of a body when its request is answered: the framework would keep all of it. */
const ignore = (): void => {};

/** Is told of a large answer while it is sent. */
export interface Delivery {
  begins(bytes: number): void;
  /** @param sentBytes how much the caller's side of the connection has taken; all, if it was not cut */
  ends(isWhole: boolean, sentBytes: number): void;
}

/** One answer, whole. */
interface Answer {
  readonly delivery?: Delivery;
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
 * of the request has come, and send a body with the answer to HEAD.
 */
function send(
  request: Request,
  response: Response,
  { status, type, body, headers = [], closes, delivery }: Answer,
): void {
  if (response.completed) return;
  response.completed = true;
  const { raw } = response;
  if (!request.received) raw.onData(ignore);
  raw.cork(() => {
    raw.writeStatus(`${status} ${STATUS_CODES[status]}`);
    raw.writeHeader('Content-Type', type);
    for (const [name, value] of headers) raw.writeHeader(name, value);
    // uWebSockets writes the header itself, unless the caller has asked for the end: then it closes without a word.
    if (closes && asksToClose(request)) raw.writeHeader('Connection', 'close');
    // A body with the answer to HEAD would be taken for the next answer.
    if (request.method === 'HEAD') raw.end('', closes);
    else if (delivery === undefined || typeof body === 'string') raw.end(body, closes);
    else deliver(response, body, delivery);
  });
}

/** As uWebSockets sees it: a header of as many letters as `close` has. */
function asksToClose({ headers }: Request): boolean {
  return headers.connection?.length === 'close'.length;
}

/**
 * Sends the body of an answer whose head has been written: as fast as the caller takes it, and without a copy, if
 * it is large.
 */
function deliver({ raw }: Response, body: Uint8Array, delivery: Delivery): void {
  if (body.byteLength <= MAX_BYTES_AT_ONCE) {
    raw.end(body);
    return;
  }
  delivery.begins(body.byteLength);
  let sentBytes = 0;
  const sendFrom = (offset: number): boolean => {
    sentBytes = offset;
    const [, isWhole] = raw.tryEnd(body.subarray(offset), body.byteLength);
    if (isWhole) ends(true);
    return isWhole;
  };
  const ends = (isWhole: boolean): void => {
    delivery.ends(isWhole, isWhole ? body.byteLength : sentBytes);
    free(body);
  };
  raw.onAborted(() => ends(false));
  if (!sendFrom(0)) raw.onWritable(sendFrom);
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
  delivery: Delivery,
): void {
  if (response.completed) return;
  response.completed = true;
  const { raw } = response;
  if (!request.received) raw.onData(ignore);
  raw.cork(() => {
    raw.writeStatus(`${status} ${STATUS_CODES[status] ?? 'Unknown'}`);
    for (const [name, value] of headers) raw.writeHeader(name, value);
    for (const [name, value] of further) raw.writeHeader(name, value);
    if (status === 204 || status === 304) raw.endWithoutBody();
    else if (request.method === 'HEAD') raw.end('');
    else deliver(response, body, delivery);
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
  delivery: Delivery,
): void {
  send(request, response, { status: 200, type: JSON_TYPE, body: result, headers, delivery });
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
  if (RETRIED.has(failure.code)) headers.push(['Retry-After', RETRY_AFTER_SECONDS]);
  if (allow !== undefined) headers.push(['Allow', allow]);
  const body = JSON.stringify({ error: textOfFailure(failure) });
  send(request, response, { status, type: JSON_TYPE, body, headers, closes: CLOSING.has(failure.code) });
}
