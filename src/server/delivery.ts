import type { Delivery } from '../http/exchange.js';
import type { Received } from '../protocol/received.js';
import { recordAborted, type ServerContext } from './server-context.js';

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
