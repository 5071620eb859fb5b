import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

/** A port that nobody has at the moment. */
export async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

/** Whether somebody listens on the port already. */
export async function isPortBusy(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen({ port, host: '0.0.0.0', exclusive: true });
    await once(probe, 'listening');
  } catch {
    return true;
  }
  probe.close();
  await once(probe, 'close');
  return false;
}
