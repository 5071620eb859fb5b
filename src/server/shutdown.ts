import type { Alarm } from '../process/awake-clock.js';
import { killThisProcessIn, prepareEnd } from '../process/end-process.js';
import type { HttpServer } from './http-server.js';
import type { Service } from './service.js';

/** After the last answer the sockets get this long to carry it away. */
const LINGER_MS = 50;
/** So long after the grace period what is killed may take to end and to be answered by its own supervisor. */
const KILLING_MS = 400;
/** So long it may take to let go of processes, threads and the collector of traces, beside what is left of the grace. */
const CLOSING_MS = 250;
/** A closing that takes longer is stuck, however long the grace period is. */
const MAX_CLOSING_MS = 5000;
/** The process is killed by the kernel where this thread itself is stuck behind the last step. */
const LAST_STEP_MS = 200;

/** How a shutdown has ended. */
export interface ShutdownEnd {
  /** Requests whose own supervisor did not answer: their answer was made up. */
  readonly givenUp: number;
  /** Whether all threads have ended; else the process must be ended without waiting for them. */
  readonly closed: boolean;
}

/**
 * Ends the server in good order (C-SRV-11, D-16): new requests are refused, those in flight are finished,
 * what outlives the grace period is killed with its process group and answered, the listener closes last.
 *
 * Resolves within the grace period and 800 milliseconds, whatever is stuck: {@link KILLING_MS}, {@link LINGER_MS} three
 * times, {@link CLOSING_MS}.
 *
 * @param hurry ends the grace period early when it resolves
 */
export async function shutDown(
  service: Service,
  http: HttpServer,
  hurry: Promise<void>,
): Promise<ShutdownEnd> {
  service.draining = true;
  service.log.info('draining', { inFlight: service.admission.inFlight });
  const prepared = prepareEnd();
  const idle = service.whenIdle();
  let grace: Alarm | undefined;
  const graceOver = new Promise<'over'>((resolve) => {
    grace = service.clock.alarm({ inMs: service.config.graceMs }, () => resolve('over'));
  });
  const begunMs = service.clock.nowMs();
  const outcome = await Promise.race([idle, graceOver, hurry.then(() => 'over' as const)]);
  const leftMs = outcome === 'over' ? 0 : service.config.graceMs - (service.clock.nowMs() - begunMs);
  grace?.cancel();
  await prepared;
  if (outcome === 'over') killThisProcessIn(KILLING_MS + 3 * LINGER_MS + CLOSING_MS + LAST_STEP_MS);
  const givenUp = outcome === 'over' ? await killUntilIdle(service, idle) : 0;
  await after(LINGER_MS);
  const closingMs = Math.min(Math.max(leftMs, 0) + CLOSING_MS, MAX_CLOSING_MS);
  if (outcome !== 'over') killThisProcessIn(closingMs + LAST_STEP_MS);
  const closed = await Promise.race([
    close(service, http, closingMs / 2).then(() => true),
    after(closingMs).then(() => false),
  ]);
  const losses = service.pool.losses.filter(({ bytes }) => bytes > 0);
  if (losses.length > 0) service.log.warn('parts of the logs were not written', { losses });
  if (!closed) service.log.warn('a part of the server did not close in time', { closingMs });
  service.log.info('stopped', { givenUp });
  return { givenUp, closed };
}

/**
 * Activations that were queued start while others are killed: the killing goes on until none is left. Who does not
 * answer even then is given up.
 *
 * @returns how many were given up
 */
async function killUntilIdle(service: Service, idle: Promise<void>): Promise<number> {
  service.log.warn('grace period over, killing', { inFlight: service.admission.inFlight });
  const begunMs = performance.now();
  let givenUp = 0;
  const timer = setInterval(() => {
    service.runner.killAll();
    if (performance.now() - begunMs >= KILLING_MS) givenUp += service.pending.giveUp();
  }, LINGER_MS);
  service.runner.killAll();
  // Time for those whose turn comes when others are given up.
  await Promise.race([idle, after(KILLING_MS + 2 * LINGER_MS)]);
  clearInterval(timer);
  return givenUp;
}

/** @param stopMs how long processes that stay may take to end by themselves */
async function close({ runner, pool, tracing }: Service, http: HttpServer, stopMs: number): Promise<void> {
  http.close();
  const traced = tracing?.stop();
  const stopped = runner.stop();
  const inTime = await Promise.race([stopped.then(() => true), after(stopMs).then(() => false)]);
  if (!inTime) runner.killAll();
  await stopped;
  await pool.close();
  await traced;
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
