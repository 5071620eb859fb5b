import type { Delivery } from '../http/exchange.js';
import type { Received } from '../protocol/received.js';
import type { ServerContext } from './server-context.js';

/**
 * Watches over a large answer while it is sent: it counts against the common budget, a shutdown waits for it, and one
 * that is cut is counted and logged.
 */
export function deliveryOf(context: ServerContext, { receivedMs, requestId }: Received): Delivery {
  const reservation = context.budget.reserve();
  return {
    begins: (bytes) => {
      reservation.setUnchecked(bytes);
      context.begin();
    },
    ends: (isWhole, sentBytes) => {
      reservation.release();
      context.end();
      if (!isWhole)
        context.recordAborted('answer', { sentBytes, ms: performance.now() - receivedMs }, requestId);
    },
  };
}
