import type { Response } from 'hyper-express';
import { rowOf, textOfFailure } from '../errors/table.js';
import type { AnswerFailure } from '../pool/messages.js';

const JSON_TYPE = 'application/json';
/** Seconds after which a refused caller may try again. */
const RETRY_AFTER_SECONDS = '1';

/**
 * Sends a complete answer in one write, with Content-Length (C-SRV-07); nothing where the client has gone.
 */
export function send(response: Response, status: number, type: string, body: Uint8Array | string): void {
  if (response.completed) return;
  response
    .status(status)
    .header('Content-Type', type)
    .send(body as string);
}

/** Sends a result: its own bytes (C-RUN-22). */
export function sendResult(response: Response, result: Uint8Array): void {
  send(response, 200, JSON_TYPE, result);
}

/**
 * Sends a failure: `{"error": text}`, and headers that tell what is not the action's fault (D-10) and what
 * exactly was wrong with an `exec` that could not be started.
 */
export function sendFailure(response: Response, failure: AnswerFailure): void {
  if (response.completed) return;
  const { status, fault } = rowOf(failure.code);
  if (fault !== 'action') response.header('X-Hyperskeleton-Error', failure.code);
  if (failure.reason !== undefined) response.header('X-Hyperskeleton-Reason', failure.reason);
  if (failure.code === 'overloaded') response.header('Retry-After', RETRY_AFTER_SECONDS);
  if (failure.code === 'draining') response.header('Connection', 'close');
  send(response, status, JSON_TYPE, JSON.stringify({ error: textOfFailure(failure) }));
}
