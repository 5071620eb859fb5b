import { createServer } from 'node:net';

/**
 * Makes sure that nobody listens on the port yet. uWebSockets listens with SO_REUSEPORT: beside another
 * server of the same user it would succeed, and each would get some of the connections.
 *
 * @throws Error that names the port and the reason
 */
export function refuseBusyPort(port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'it is in use' : error.message;
      reject(new Error(`port ${port} can't be listened on: ${reason}`));
    });
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}
