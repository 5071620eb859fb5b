import type { ByteReservation } from '../shared-memory/byte-budget.js';
import type { ParsedRunBody } from './run-body.js';
import type { TraceContext } from './trace-context.js';

/** A request that has been received whole. */
export interface Received {
  readonly body: Uint8Array;
  /** What a /run's body says, if it has been parsed. */
  readonly parsed?: ParsedRunBody;
  /** What its body takes of the common budget; released when the request has been answered. */
  readonly reservation: ByteReservation;
  /** When its head had come, by performance.now(). */
  readonly receivedMs: number;
  /** When its body had come, too. */
  readonly completeMs: number;
  /** The W3C trace context, where the request has a valid one. */
  readonly trace: TraceContext | undefined;
  /** The caller's X-Request-Id, for the log. */
  readonly requestId: string | undefined;
}
