import type { Alarm } from '../process/awake-clock.js';
import type { HttpServer } from './http-server.js';
import type { Service } from './service.js';

/** After the last answer the sockets get this long to carry it away. */
const LINGER_MS = 50;

/**
 * Ends the server in good order (C-SRV-11, D-16): new requests are refused, those in flight are finished,
 * what outlives the grace period is killed with its process group and answered, the listener closes last.
 *
 * @param hurry ends the grace period early when it resolves
 */
export async function shutDown(service: Service, http: HttpServer, hurry: Promise<void>): Promise<void> {
  service.draining = true;
  service.log.info('draining', { inFlight: service.admission.inFlight });
  const idle = service.whenIdle();
  let grace: Alarm | undefined;
  const graceOver = new Promise<'over'>((resolve) => {
    grace = service.clock.alarm({ inMs: service.config.graceMs }, () => resolve('over'));
  });
  const outcome = await Promise.race([idle, graceOver, hurry.then(() => 'over' as const)]);
  grace?.cancel();
  if (outcome === 'over') await killUntilIdle(service, idle);
  await new Promise((resolve) => setTimeout(resolve, LINGER_MS));
  http.close();
  await service.runner.stop();
  await service.pool.close();
  await service.tracing?.stop();
  service.log.info('stopped', {});
}

/** Activations that were queued start while others are killed: the killing goes on until none is left. */
async function killUntilIdle(service: Service, idle: Promise<void>): Promise<void> {
  service.log.warn('grace period over, killing', { inFlight: service.admission.inFlight });
  const timer = setInterval(() => service.runner.killAll(), LINGER_MS);
  service.runner.killAll();
  await idle;
  clearInterval(timer);
}
