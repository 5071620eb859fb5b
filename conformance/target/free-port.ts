import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ListenOptions } from 'node:net';

/**
 * Below the range that Linux takes local ports of connections from (ip(7), ip_local_port_range), and beyond the last port
 * that fetch refuses, 10080 (Fetch Standard, "block bad port").
 */
const MIN_PORT = 10_081;
const MAX_PORT = 29_999;
const ATTEMPTS = 100;

/**
 * A TCP port that nobody listens on, and that no other caller on this machine gets before this process
 * ends. A server takes its port long after this returns, and two servers that listen with SO_REUSEPORT
 * on one port would share its connections, which no error tells.
 *
 * @throws if nothing is free after a hundred tries
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const port = randomInt(MIN_PORT, MAX_PORT + 1);
    // An abstract socket (unix(7)) goes with its process, and is as wide as the ports: a network namespace.
    const reserved = await listens({ path: `\0hyperskeleton-port-${port}` }, 'keep');
    if (reserved && (await listens({ port, host: '0.0.0.0', exclusive: true }, 'close'))) return port;
  }
  throw new Error(`no free port from ${MIN_PORT} to ${MAX_PORT} after ${ATTEMPTS} tries`);
}

async function listens(where: ListenOptions, then: 'keep' | 'close'): Promise<boolean> {
  const server = createServer();
  try {
    server.listen(where);
    await once(server, 'listening');
  } catch {
    return false;
  }
  if (then === 'keep') {
    server.unref();
    return true;
  }
  server.close();
  await once(server, 'close');
  return true;
}
