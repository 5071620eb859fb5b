import type { Delivery } from '../http/exchange.js';
import type { Received } from './receive.js';
import type { Service } from './service.js';

/**
 * Watches over a large answer while it is sent: it counts against the common budget, a shutdown waits for it, and one
 * that is cut is counted and logged.
 */
export function deliveryOf(service: Service, { receivedMs, requestId }: Received): Delivery {
  const hold = service.budget.hold();
  return {
    begins: (bytes) => {
      hold.count(bytes);
      service.begin();
    },
    ends: (isWhole, sentBytes) => {
      hold.release();
      service.end();
      if (!isWhole) service.aborted('answer', { sentBytes, ms: performance.now() - receivedMs }, requestId);
    },
  };
}
