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

/**
 * Receives a request's body, whatever its content type, chunked or with a length (C-SRV-06, C-SRV-09). Only one
 * that has come whole is a body: if the connection ends before that, by the client or by the front end's own time
 * limit, there is no request (C-SRV-12).
 *
 * Must be called before the handler's first await.
 *
 * @param gone is called if the connection ends later, and before the request has been answered
 */
export function receiveBody(
  request: Request,
  response: Response,
  budget: ByteBudget,
  maxBytes: number,
  gone: () => void,
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
  if (lengthsOf(request) > 1) return { problem: 'malformed', receivedBytes: 0 };
  let problem = place.refusal;
  const waits = waitsForItsEnd(headers.connection);
  if (problem !== undefined && !waits) return { problem, receivedBytes: 0 };
  if (announcedBytes === 0) return place.take();
  return new Promise((resolve) => {
    settle = resolve;
    raw.onData((piece, isLast) => {
      if (settle === undefined) return;
      if (problem === undefined) {
        problem = place.add(piece, isLast);
        if (problem !== undefined) place.drop();
      }
      if (!isLast && (problem === undefined || waits)) return;
      settle = undefined;
      request.received = isLast;
      resolve(problem === undefined ? place.take() : { problem, receivedBytes: place.length });
    });
  });
}

/**
 * Whether a refusal must wait until the whole body has come. Who asks for the connection to be closed after the
 * answer and still sends would have it reset, and lose the answer (RFC 9112, section 9.6).
 */
function waitsForItsEnd(connection: string | undefined): boolean {
  return connection !== undefined && /\bclose\b/i.test(connection);
}

/** How many Content-Length headers there are: with two the parts of the way disagree on where the body ends. */
function lengthsOf(request: Request): number {
  let lengths = 0;
  request.raw.forEach((name) => {
    if (name === 'content-length') lengths++;
  });
  return lengths;
}
