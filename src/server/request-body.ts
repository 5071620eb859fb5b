import type { Request, Response } from 'hyper-express';
import type { ByteBudget, ByteHold } from '../pool/byte-budget.js';
import { BodyPlace, type NoPlace } from './body-place.js';

/** A body that has come whole, or why there is none. */
export type RequestBody =
  | {
      /** In a buffer of its own, that may be transferred to another thread. */
      readonly body: Uint8Array;
      /** What it takes of the budget; released by whoever is done with the body. */
      readonly hold: ByteHold;
    }
  | { readonly problem: NoPlace | 'malformed' | 'aborted'; readonly receivedBytes: number };

/** What a request is told of its connection. */
export interface Gone {
  /** The connection has ended after the body had come whole, and before the request was answered. */
  (): void;
}

/**
 * Receives a request's body, whatever its content type, chunked or with a length (C-SRV-06, C-SRV-09). Only one
 * that has come whole is a body: if the connection ends before that, by the client or by the front end's own time
 * limit, there is no request (C-SRV-12).
 *
 * Must be called before the handler's first await.
 *
 * @param gone is called if the connection ends later
 */
export function receiveBody(
  request: Request,
  response: Response,
  budget: ByteBudget,
  maxBytes: number,
  gone: Gone,
): Promise<RequestBody> | RequestBody {
  const { raw } = response;
  const { headers } = request;
  const isChunked = headers['transfer-encoding'] !== undefined;
  const announcedBytes = isChunked ? undefined : Number(headers['content-length'] ?? 0);
  const place = new BodyPlace(budget, announcedBytes, maxBytes);
  let settle: ((body: RequestBody) => void) | undefined;
  // In the place of the framework's own, which would end the body's stream as if it had come whole.
  raw.onAborted(() => {
    response.completed = true;
    const waiting = settle;
    settle = undefined;
    if (waiting === undefined) {
      gone();
      return;
    }
    place.drop();
    waiting({ problem: 'aborted', receivedBytes: place.length });
  });
  const problem = lengthsOf(request) > 1 ? 'malformed' : place.refusal;
  if (problem !== undefined) return { problem, receivedBytes: 0 };
  if (announcedBytes === 0) return place.take();
  return new Promise((resolve) => {
    settle = resolve;
    raw.onData((piece, isLast) => {
      if (settle === undefined) return;
      const refusal = place.add(piece, isLast);
      if (refusal === undefined && !isLast) return;
      settle = undefined;
      if (refusal === undefined) {
        request.received = true;
        resolve(place.take());
        return;
      }
      place.drop();
      resolve({ problem: refusal, receivedBytes: place.length });
    });
  });
}

/** How many Content-Length headers there are: with two the parts of the way disagree on where the body ends. */
function lengthsOf(request: Request): number {
  let lengths = 0;
  request.raw.forEach((name) => {
    if (name === 'content-length') lengths++;
  });
  return lengths;
}
