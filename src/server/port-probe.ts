import { readFileSync } from 'node:fs';

const LISTENING = '0A';

/**
 * Makes sure that nobody listens on the port yet. uWebSockets listens with SO_REUSEPORT: beside another
 * server of the same user it would succeed, and each would get some of the connections.
 *
 * It looks into the kernel's tables (proc(5), `/proc/net/tcp`) instead of listening for a moment: the
 * platform takes whoever accepts its first connection for the action (C-PLAT-03).
 *
 * @throws Error that names the port
 */
export function refuseBusyPort(port: number): void {
  for (const table of ['/proc/net/tcp', '/proc/net/tcp6']) {
    if (port !== 0 && listeningPorts(table).has(port)) {
      throw new Error(`port ${port} can't be listened on: it is in use`);
    }
  }
}

function listeningPorts(table: string): Set<number> {
  const ports = new Set<number>();
  for (const line of read(table).split('\n').slice(1)) {
    const [, local = '', , state] = line.trim().split(/\s+/);
    if (state === LISTENING) ports.add(Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16));
  }
  return ports;
}

function read(table: string): string {
  try {
    return readFileSync(table, 'latin1');
  } catch {
    return '';
  }
}
