import type { CutReason, Exchange } from '../http/exchange.js';
import type { ByteBudget, ByteReservation } from '../shared-memory/byte-budget.js';
import { BodyBuffer, type BodyRefusal } from './body-buffer.js';

/** A body that has come whole, or why there is none. */
type RequestBody =
  | {
      /** In a buffer of its own, that may be transferred to another thread. */
      readonly body: Uint8Array;
      /** What it takes of the budget; released by whoever is done with the body. */
      readonly reservation: ByteReservation;
    }
  | { readonly problem: BodyRefusal | CutReason; readonly receivedBytes: number };

/**
 * Receives a request's body, whatever its content type, chunked or with a length (C-SRV-06, C-SRV-09). Only one
 * that has come whole is a body: if the connection ends before that, by the client or by the front end's own time
 * limit, there is no request (C-SRV-12).
 *
 * Must be called before the handler's first await.
 *
 * @param onAbort is called if the connection ends later, and before the request has been answered
 */
export function receiveBody(
  exchange: Exchange,
  budget: ByteBudget,
  maxBytes: number,
  onAbort: () => void,
): Promise<RequestBody> | RequestBody {
  const isChunked = exchange.header('transfer-encoding') !== undefined;
  const announcedBytes = isChunked ? undefined : Number(exchange.header('content-length') ?? 0);
  const place = new BodyBuffer(budget, announcedBytes, maxBytes);
  let settle: ((body: RequestBody) => void) | undefined;
  exchange.onCut((reason) => {
    const waiting = settle;
    settle = undefined;
    if (waiting === undefined) {
      onAbort();
      return;
    }
    place.discard();
    waiting({ problem: reason, receivedBytes: place.length });
  });
  if (lengthsOf(exchange) > 1) return { problem: 'malformed', receivedBytes: 0 };
  let problem = place.refusal;
  const waits = exchange.losesEarlyAnswer;
  if (problem !== undefined && !waits) return { problem, receivedBytes: 0 };
  if (announcedBytes === 0) return place.take();
  return new Promise((resolve) => {
    settle = resolve;
    exchange.onBody((piece, isLast) => {
      if (settle === undefined) return;
      if (problem === undefined) {
        problem = place.add(piece, isLast);
        if (problem !== undefined) place.discard();
      }
      if (!isLast && (problem === undefined || waits)) return;
      settle = undefined;
      resolve(problem === undefined ? place.take() : { problem, receivedBytes: place.length });
    });
  });
}

/** How many Content-Length headers there are: with two the parts of the way disagree on where the body ends. */
function lengthsOf(exchange: Exchange): number {
  let lengths = 0;
  exchange.eachHeader((name) => {
    if (name === 'content-length') lengths++;
  });
  return lengths;
}
