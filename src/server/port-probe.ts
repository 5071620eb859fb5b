import { connect } from 'node:net';

/**
 * Makes sure that nobody listens on the port yet. uWebSockets listens with SO_REUSEPORT: beside another
 * server of the same user it would succeed, and each would get some of the connections.
 *
 * It connects instead of listening for a moment: the platform takes whoever accepts its first connection for
 * the action (C-PLAT-03). A listener on another address alone makes the listening itself fail.
 *
 * @throws Error that names the port
 */
export function refuseBusyPort(port: number): Promise<void> {
  if (port === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const probe = connect(port, '127.0.0.1');
    probe.once('error', () => resolve());
    probe.once('connect', () => {
      // A port out of the range for clients may be given to the probe itself, which then meets itself.
      const metItself = probe.localPort === port;
      probe.destroy();
      if (metItself) resolve();
      else reject(new Error(`port ${port} can't be listened on: it is in use`));
    });
  });
}
