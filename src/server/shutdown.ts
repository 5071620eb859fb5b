import { loadForcedExit, scheduleSelfKill } from '../os/forced-exit.js';
import type { ClockTimer } from '../os/freeze-aware-clock.js';
import type { HttpServer } from './http-server.js';
import { type ServerContext, whenIdle } from './server-context.js';

/** After the last answer the sockets get this long to carry it away. */
const FLUSH_MS = 50;
/** So long after the grace period what is killed may take to end and to be answered by its own supervisor. */
const KILLING_MS = 400;
/** So long it may take to let go of processes, threads and the collector of traces, beside what is left of the grace. */
const CLOSING_MS = 250;
/** A closing that takes longer is stuck, however long the grace period is. */
const MAX_CLOSING_MS = 5000;
/** The process is killed by the kernel where this thread itself is stuck behind the last step. */
const LAST_STEP_MS = 200;

/** How a shutdown has ended. */
interface ShutdownEnd {
  /** Requests whose own supervisor did not answer: their answer was made up. */
  readonly abandoned: number;
  /** Whether all threads have ended; else the process must be ended without waiting for them. */
  readonly closed: boolean;
}

/**
 * Ends the server in good order (C-SRV-11): new requests are refused, those in flight are finished,
 * what outlives the grace period is killed with its process group and answered, the listener closes last.
 *
 * Resolves within the grace period and 800 milliseconds, whatever is stuck: {@link KILLING_MS}, {@link FLUSH_MS} three
 * times, {@link CLOSING_MS}.
 *
 * @param graceEnded ends the grace period early when it resolves
 */
export async function shutDown(
  context: ServerContext,
  http: HttpServer,
  graceEnded: Promise<void>,
): Promise<ShutdownEnd> {
  context.draining = true;
  context.log.info('draining', { inFlight: context.admission.inFlight });
  const prepared = loadForcedExit();
  const idle = whenIdle(context);
  let grace: ClockTimer | undefined;
  const graceOver = new Promise<'over'>((resolve) => {
    grace = context.clock.setTimer({ inMs: context.config.graceMs }, () => resolve('over'));
  });
  const begunMs = context.clock.nowMs();
  const outcome = await Promise.race([idle, graceOver, graceEnded.then(() => 'over' as const)]);
  const leftMs = outcome === 'over' ? 0 : context.config.graceMs - (context.clock.nowMs() - begunMs);
  grace?.cancel();
  await prepared;
  if (outcome === 'over') scheduleSelfKill(KILLING_MS + 3 * FLUSH_MS + CLOSING_MS + LAST_STEP_MS);
  const abandoned = outcome === 'over' ? await killUntilIdle(context, idle) : 0;
  await after(FLUSH_MS);
  const closingMs = Math.min(Math.max(leftMs, 0) + CLOSING_MS, MAX_CLOSING_MS);
  if (outcome !== 'over') scheduleSelfKill(closingMs + LAST_STEP_MS);
  const closed = await Promise.race([
    close(context, http, closingMs / 2).then(() => true),
    after(closingMs).then(() => false),
  ]);
  const losses = context.pool.losses.filter(({ bytes }) => bytes > 0);
  if (losses.length > 0) context.log.warn('parts of the logs were not written', { losses });
  if (!closed) context.log.warn('a part of the server did not close in time', { closingMs });
  context.log.info('stopped', { givenUp: abandoned });
  return { abandoned, closed };
}

/**
 * Activations that were queued start while others are killed: the killing goes on until none is left. Who does not
 * answer even then is given up.
 *
 * @returns how many were given up
 */
async function killUntilIdle(context: ServerContext, idle: Promise<void>): Promise<number> {
  context.log.warn('grace period over, killing', { inFlight: context.admission.inFlight });
  const begunMs = performance.now();
  let abandoned = 0;
  const timer = setInterval(() => {
    context.executor.killAll();
    if (performance.now() - begunMs >= KILLING_MS) abandoned += context.pending.abandonAll();
  }, FLUSH_MS);
  context.executor.killAll();
  // Time for those whose turn comes when others are given up.
  await Promise.race([idle, after(KILLING_MS + 2 * FLUSH_MS)]);
  clearInterval(timer);
  return abandoned;
}

/** @param stopMs how long processes that stay may take to end by themselves */
async function close(
  { executor, pool, tracing }: ServerContext,
  http: HttpServer,
  stopMs: number,
): Promise<void> {
  http.close();
  const traced = tracing?.stop();
  const stopped = executor.stop();
  const inTime = await Promise.race([stopped.then(() => true), after(stopMs).then(() => false)]);
  if (!inTime) executor.killAll();
  await stopped;
  await pool.close();
  await traced;
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
