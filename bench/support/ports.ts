import { once } from 'node:events';
import { createServer } from 'node:net';

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
