import type { Server } from 'hyper-express';
import type { ConnectionLimit } from '../../admission/connection-limit.js';

/** What App.filter of uWebSockets.js calls, with 1 for a new connection and with -1 for its end. */
type OnChange = (response: { close(): void }, change: number) => void;

/** Holds the connections of a server of uWebSockets to a limit. To be called before it listens. */
export function limitConnections(server: Server, limit: ConnectionLimit): void {
  const onChange: OnChange = (response, change) => {
    if (change < 0) limit.closed();
    else if (!limit.opened()) response.close();
  };
  (server.uws_instance as unknown as { filter(onChange: OnChange): void }).filter(onChange);
}
